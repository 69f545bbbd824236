"""An error as one line of the terminal."""

from twinlens.commands.printing.text import one_line
from twinlens.errors import TRACEBACK, TwinlensError, missing


def error_line(error: Exception) -> str:
    """Return the message of an error, with its kind where it is none that was foreseen."""
    return one_line(_message(error))


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, TwinlensError) and error.filename:
        # Of a rename, the second is the name that the caller knows.
        if isinstance(error, FileNotFoundError) and not error.filename2:
            return str(missing(error.filename, "check the path"))
        return f"{error.filename2 or error.filename}: {error.strerror}"
    if isinstance(error, (TwinlensError, OSError, ValueError)):
        return str(error)
    if isinstance(error, MemoryError):
        return f"memory is short ({str(error) or 'no more is given'}); give less at a time"
    kind = type(error).__name__
    return f"{kind}: {error}; this was not foreseen: {TRACEBACK}=1 shows where it came from"
