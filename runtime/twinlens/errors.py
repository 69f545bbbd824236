"""The errors that twinlens raises on purpose.

    TwinlensError
    ├── BundleError       (ValueError)    the folder is not a whole, unchanged bundle
    ├── CalibrationError  (ValueError)    no probability can be told for these towers
    ├── EmbeddingsError   (ValueError)    a folder of embeddings is damaged, or made otherwise
    ├── EmbeddingsBusyError (RuntimeError) another job writes the same names there
    ├── IdError           (ValueError)    an id of an index's row is unknown, or is there twice
    ├── ImageError        (ValueError)    something given as an image cannot be read as one
    ├── IndexBusyError    (RuntimeError)  another writer has the index, or has changed it
    ├── CodesOnlyError    (ValueError)    the index lacks the float32 rows that an act needs
    ├── IndexFileError    (ValueError)    the folder is not a whole, unchanged index
    ├── MissingTowerError (ValueError)    the bundle lacks the tower that an act needs
    ├── PairsError        (ValueError)    something in the pairs cannot be read as a pair
    ├── DatasetError      (ValueError)    a tar or a table of images cannot be read
    ├── ClosedError       (RuntimeError)  the model, or the engine around it, is closed or closing
    ├── DeadlineError     (TimeoutError)  the time allowed for an answer is over
    ├── OverloadedError   (RuntimeError)  the queue has no room; it says when to come again
    ├── RequestSizeError  (ValueError)    a request is larger than the engine ever accepts
    ├── RunCancelledError (RuntimeError)  the caller cancelled the run
    ├── ShardError        (RuntimeError)  a shard of an index did not answer, or has changed
    ├── ProviderError     (RuntimeError)  the device asked for is not the device there is
    │   └── DeviceMemoryError (MemoryError)   it has no room for what it was given
    └── TextError         (ValueError)    something given as a text cannot be tokenised

Every message is one sentence (what failed, what was got, what was wanted), then the cure. Inputs in
it are `quoted`: one line of at most 80 characters.
"""

import os
from typing import Final

QUOTED_CHARACTERS: Final = 80
"""Longest input in a message; a data URI given as a path can have megabytes."""
TRACEBACK: Final = "TWINLENS_TRACEBACK"
"""Environment variable of the command line: where it is set, an unforeseen error is raised."""


class TwinlensError(Exception):
    """The root: catch it to catch everything that twinlens raises on purpose."""


class BundleError(TwinlensError, ValueError):
    """The folder is not a whole, unchanged bundle."""


class CalibrationError(TwinlensError, ValueError):
    """No probability can be told for these towers."""


class EmbeddingsError(TwinlensError, ValueError):
    """A folder of embeddings is damaged, holds something else, or was made otherwise."""


class EmbeddingsBusyError(TwinlensError, RuntimeError):
    """Another job is at work on the same names of a folder of embeddings."""


class IdError(TwinlensError, ValueError):
    """An id of an index's row is unknown, or is there twice, or is of another kind."""


class ImageError(TwinlensError, ValueError):
    """Something given as an image cannot be read as one."""

    place: int | None = None
    """Place of the image in its request, if `twinlens.AsyncModel` raises it."""


class IndexBusyError(TwinlensError, RuntimeError):
    """Another writer is at work on the index on disk, or has changed it since it was opened."""


class IndexFileError(TwinlensError, ValueError):
    """The folder is not a whole, unchanged index."""


class MissingTowerError(TwinlensError, ValueError):
    """An act needs the tower that a bundle of one tower lacks."""


class CodesOnlyError(TwinlensError, ValueError):
    """An act needs the float32 rows of an index that keeps their codes alone."""


class PairsError(TwinlensError, ValueError):
    """Something in the pairs cannot be read as a pair of an image and a text."""


class DatasetError(TwinlensError, ValueError):
    """A tar or a table of pictures cannot be read."""


class ShardError(TwinlensError, RuntimeError):
    """A shard of an index did not answer, or is not the one that was opened."""


class ProviderError(TwinlensError, RuntimeError):
    """The device asked for is not the device there is."""


class DeviceMemoryError(ProviderError, MemoryError):
    """The device has no room for what it was given; less at a time may fit."""


class ClosedError(TwinlensError, RuntimeError):
    """The model, or the engine around it, is closed or closing."""


class DeadlineError(TwinlensError, TimeoutError):
    """The time allowed for an answer is over."""


class OverloadedError(TwinlensError, RuntimeError):
    """The queue has no room for all items of a request."""

    retry_after_s: float
    """Seconds until the work now queued is done."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        return _overloaded, (str(self), self.retry_after_s)


def _overloaded(message: str, retry_after_s: float) -> OverloadedError:
    return OverloadedError(message, retry_after_s=retry_after_s)


class RequestSizeError(TwinlensError, ValueError):
    """A request is larger than the engine ever accepts."""

    place: int | None = None
    """Place of the text that is too long, if it is one."""


class RunCancelledError(TwinlensError, RuntimeError):
    """The caller cancelled the run."""


class TextError(TwinlensError, ValueError):
    """Something given as a text cannot be tokenised."""

    place: int | None = None
    """Place of the text in its request, if `twinlens.AsyncModel` raises it."""


def amount(count: int, noun: str) -> str:
    """Return a number with its noun.

    >>> amount(1, "text"), amount(64, "text")
    ('1 text', '64 texts')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def missing(path: str | os.PathLike[str], cure: str) -> FileNotFoundError:
    """Return the error of a path at which there is nothing.

    >>> print(missing("photos", "give a folder of pictures"))
    photos does not exist; give a folder of pictures
    """
    return FileNotFoundError(f"{quoted(os.fspath(path))} does not exist; {cure}")


def no_folder_for(
    path: str | os.PathLike[str], folder: str | os.PathLike[str]
) -> FileNotFoundError:
    """Return the error of a new path in a folder that does not exist.

    >>> from pathlib import Path
    >>> print(no_folder_for(Path("new/index"), Path("new")))
    new/index cannot be written: there is no folder new; make it first
    """
    return FileNotFoundError(
        f"{quoted(os.fspath(path))} cannot be written: there is no folder "
        f"{quoted(os.fspath(folder))}; make it first"
    )


def quoted(value: object) -> str:
    """Return a value as one line of at most 80 characters, for a message.

    A str is given without quotation marks. Of a longer one the middle is left out, so that the end
    of a path shows. Line breaks, control characters and lone surrogates are escaped.
    """
    text = value if isinstance(value, str) else repr(value)
    if len(text) > QUOTED_CHARACTERS:
        half = (QUOTED_CHARACTERS - len("...")) // 2
        text = f"{text[:half]}...{text[-half - 1 :]}"
    line = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
    # Escapes have made it longer again.
    return line if len(line) <= QUOTED_CHARACTERS else f"{line[: QUOTED_CHARACTERS - 3]}..."
