"""A source whose error waits until everything drawn before it is done."""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class DeferredError(Generic[T]):
    """Iterator that ends where its source fails, and raises the source's error when it is asked to.

    A tar that is cut after a thousand images gives a thousand rows, and then its error. An
    interrupt (any BaseException that is no Exception) is not deferred.
    """

    def __init__(self, source: Iterable[T]) -> None:
        self._source: Iterator[T] = iter(source)
        self._error: Exception | None = None

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        try:
            return next(self._source)
        except StopIteration:
            raise
        except Exception as error:
            self._source, self._error = iter(()), error
            raise StopIteration from error

    def raise_error(self) -> None:
        """Raise the error of the source, if it had one."""
        error, self._error = self._error, None
        if error is not None:
            raise error
