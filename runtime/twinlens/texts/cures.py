"""Cures for what is given as a text and is none, told by its type."""

import os

from twinlens.dataframes import is_missing
from twinlens.errors import TextError


def no_string(name: str, thing: object) -> TextError:
    """Return the error of a thing that is no string, with its cure.

    Args:
        name: the thing in the caller's words, such as "text 3".
        thing: anything but a string.
    """
    return TextError(f"{name} is a {type(thing).__name__}, not a string{_cure_of(thing)}")


def _cure_of(thing: object) -> str:
    if is_missing(thing):
        return "; leave out what is missing, or give ''"
    if isinstance(thing, (bytes, bytearray)):
        return "; decode it, as by thing.decode('utf-8')"
    if isinstance(thing, os.PathLike):
        return "; read the file, and give its words"
    return "; give a str"
