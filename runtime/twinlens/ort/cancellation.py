"""Cancellation: one switch that ends runs of onnxruntime from another thread."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

from twinlens.errors import ProviderError, RunCancelledError
from twinlens.ort.library import onnxruntime


class Cancellation:
    """Switch that ends the calls which have it, from any thread; it is thrown once, for good.

    A run on the CPU ends at its next operator: 16 images of ViT-B/32 in int8 7 ms after `cancel`,
    29 at most, of 180 (AVX-512 VNNI, 1 thread). A run on another device comes to its end, and the
    next batch of the call does not begin. The call then raises RunCancelledError. A call that
    begins after `cancel` raises it before it computes anything, and one that has its rows already
    returns them. One Cancellation may be given to several calls, one after the other or at once:
    all of them end.
    """

    def __init__(self) -> None:
        # It holds no lock: a signal handler may cancel whatever its thread is at.
        self._options = _run_options()()

    def __repr__(self) -> str:
        return f"Cancellation(cancelled={self.cancelled})"

    @property
    def cancelled(self) -> bool:
        """True from the first `cancel` on."""
        return bool(self._options.terminate)

    def cancel(self) -> None:
        """End all calls that have this cancellation; a second time changes nothing."""
        self._options.terminate = True

    def require_none(self, name: str) -> None:
        """Check that nobody has cancelled, before a run of the model of that name.

        Raises:
            RunCancelledError: somebody has.
        """
        if self.cancelled:
            raise _cancelled(name)


@contextmanager
def cancellable(cancel: Cancellation | None, name: str) -> Generator[Any]:
    """Give the body onnxruntime's RunOptions that end its run; None where nobody may cancel.

    Raises:
        RunCancelledError: it was cancelled, before the body or during its run.
    """
    if cancel is None:
        yield None
        return
    cancel.require_none(name)
    try:
        yield cancel._options  # noqa: SLF001  of this file
    except ProviderError as error:
        if cancel.cancelled:
            raise _cancelled(name) from error
        raise


def _cancelled(name: str) -> RunCancelledError:
    return RunCancelledError(
        f"the run of {name} was cancelled; give a new Cancellation to repeat it"
    )


@cache
def _run_options() -> Any:  # noqa: ANN401  onnxruntime's class RunOptions
    """Return the class; to look for the library takes longer than to make one."""
    return onnxruntime().RunOptions
