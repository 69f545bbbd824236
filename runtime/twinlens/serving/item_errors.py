"""Errors of items: without the worker's frames, and with the item's place."""

from twinlens.errors import ImageError, TextError


def bare(error: BaseException) -> Exception:
    """Return an error that an event loop may raise, without tracebacks.

    The frames of a traceback would keep the pixels of a whole run alive. An error that is no
    Exception, such as the panic of a Rust library, would end the event loop: it becomes the cause
    of a RuntimeError.
    """
    _forget_frames(error)
    if isinstance(error, Exception):
        return error
    failure = RuntimeError(f"the model failed: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def at_place(error: Exception, noun: str, place: int) -> Exception:
    """Return an ImageError or a TextError with the place of its item; any other as it is.

    The error as it was without the place is the cause of the new one.
    """
    if not isinstance(error, (ImageError, TextError)):
        return error
    kind = ImageError if isinstance(error, ImageError) else TextError
    placed = kind(f"{noun} {place}: {error}")
    placed.place, placed.__cause__ = place, error
    return placed


def _forget_frames(error: BaseException) -> None:
    left, seen = [error], set[int]()
    while left:
        one = left.pop()
        if id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            left += [other for other in (one.__cause__, one.__context__) if other is not None]
