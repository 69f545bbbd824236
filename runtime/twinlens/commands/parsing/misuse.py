"""The error of a command line that could never work."""


class MisuseError(Exception):
    """A value on the command line that could never work; the program exits with 2.

    A failure, with 1, may go well another time: a file that is missing, a device that is not there.
    """
