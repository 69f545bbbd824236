"""Entry of the command lines: an interruption is quiet from the first import to the last line.

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
    """Run `twinlens`; return its exit code."""
    return _run("twinlens.__main__")


def export() -> int:
    """Run `twinlens-export`; return its exit code."""
    return _run("twinlens_export.__main__")


def take_signal_if_run(package: str) -> None:
    """Take the signal if Python runs this package: `python -m twinlens` imports all of it first."""
    # While Python looks for the module of -m, that is all that argv names.
    if sys.argv[:1] != ["-m"] or len(sys.argv) > len(sys.orig_argv):
        return
    named = sys.orig_argv[len(sys.orig_argv) - len(sys.argv)]
    name = named.partition("m")[2] if named.startswith("-") else named
    if name in (package, f"{package}.__main__") and _is_pythons_own():
        signal.signal(signal.SIGINT, _end)


def is_interrupted(error: BaseException | None) -> bool:
    """Return True if an interruption is behind the error: a library's import makes it its own."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # one may be its own cause
        if isinstance(error, KeyboardInterrupt):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _run(module: str) -> int:
    # A shell starts background jobs with the signal ignored; it stays so.
    ours = _is_pythons_own() or signal.getsignal(signal.SIGINT) is _end
    if ours:
        signal.signal(signal.SIGINT, _end)
    import importlib  # noqa: PLC0415  the signal is taken first
    import logging  # noqa: PLC0415

    try:
        run = importlib.import_module(module).main
    except ImportError as error:
        if os.environ.get("TWINLENS_TRACEBACK"):
            raise
        name = "twinlens-export" if "export" in module else "twinlens"
        sys.stderr.write(f"{name}: {' '.join(str(error).split())}\n")
        return 1

    # A warning of a library, Pillow's of a picture say, is a line of the log and not two.
    logging.captureWarnings(capture=True)
    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return int(run(sys.argv[1:]))
    except KeyboardInterrupt:  # between two acts of the command line
        return INTERRUPTED
    finally:
        if ours:
            signal.signal(signal.SIGINT, _end)


def _is_pythons_own() -> bool:
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _end(_number: int, _frame: types.FrameType | None) -> None:
    os._exit(INTERRUPTED)  # nothing is open yet, or everything is written
