"""Arrays in the memory of a device, and a program bound to some of them."""

import threading
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


class OnDevice:
    """An array in the memory of the device that computed it.

    Libraries that speak DLPack take it over without a copy: `torch.from_dlpack(array)`.
    """

    def __init__(self, value: Any) -> None:  # noqa: ANN401  onnxruntime's own OrtValue
        self._value = value

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sides."""
        return tuple(self._value.shape())

    def bind(self, binding: Any, name: str) -> None:  # noqa: ANN401  onnxruntime's own IOBinding
        """Feed it, where it is, to the input of that name."""
        binding.bind_ortvalue_input(name, self._value)

    def numpy(self) -> NDArray[np.float32]:
        """A copy in the memory of the CPU."""
        return np.array(self._value.numpy(), dtype=np.float32)

    def __dlpack__(self, *, stream: Any = None, **_: object) -> Any:  # noqa: ANN401  a capsule
        return self._value.__dlpack__(stream=stream)

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, number = self._value.__dlpack_device__()
        return int(kind), int(number)


class Value(Protocol):
    """As much of onnxruntime's OrtValue as is used here."""

    def update_inplace(self, data: NDArray[Any]) -> None:
        """Copy an array of the same shape to where the value lies."""

    def numpy(self) -> NDArray[Any]:
        """Its numbers in the memory of the CPU."""


class Slot:
    """A place for batches of one size on a device, allocated once and bound once.

    The addresses never change, which is what replaying a recorded run wants.
    """

    def __init__(
        self, *, staging: NDArray[Any], given: Value, found: Value, run: Callable[[], None]
    ) -> None:
        """Take what the session has allocated.

        Args:
            staging: [B, ...] in the host's memory, from which the device copies.
            given: of the same shape, on the device.
            found: [B, D] on the device, where the program leaves its rows.
            run: runs the program, bound to the two.
        """
        self._staging, self._given, self._found, self._run = staging, given, found, run
        self._filled = 0
        self._lock = threading.Lock()

    def __call__(self, batch: NDArray[Any]) -> F32:
        """The rows [n, D] of a batch of n <= B; the places beyond it are zeros."""
        n_rows = len(batch)
        with self._lock:
            self._staging[:n_rows] = batch
            self._staging[n_rows : self._filled] = 0
            self._filled = n_rows
            self._given.update_inplace(self._staging)
            self._run()
            return np.array(self._found.numpy()[:n_rows], dtype=np.float32)
