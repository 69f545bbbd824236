"""Entry of the command line: an interruption is quiet from the first import to the last line.

To import any part of `twinlens` is to import numpy and the rest, a quarter of a second in which
Python answers Ctrl-C with a traceback, or a library with an ImportError. This package imports
nothing before it has taken the signal.
"""

import os
import signal
import sys
import types

INTERRUPTED = 130


def main() -> int:
    """Run the command line; return its exit code."""
    # A shell starts background jobs with the signal ignored; it stays so.
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, _end)
    import logging  # noqa: PLC0415  the signal is taken first

    from twinlens.__main__ import main as run  # noqa: PLC0415

    # A warning of a library, Pillow's of a picture say, is a line of the log and not two.
    logging.captureWarnings(capture=True)
    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return run(sys.argv[1:])
    except KeyboardInterrupt:  # between two acts of the command line
        return INTERRUPTED
    finally:
        if ours:
            signal.signal(signal.SIGINT, _end)


def _end(_number: int, _frame: types.FrameType | None) -> None:
    os._exit(INTERRUPTED)  # nothing is open yet, or everything is written
