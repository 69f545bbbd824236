"""IO binding: arrays in the memory of a device, and slots for runs whose buffers never move."""

import threading
from collections.abc import Callable, Mapping
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
        """Length of each dimension."""
        return tuple(self._value.shape())

    def bind(self, binding: Any, name: str) -> None:  # noqa: ANN401  onnxruntime's own IOBinding
        """Bind it, without a copy, to the input of that name."""
        binding.bind_ortvalue_input(name, self._value)

    def numpy(self) -> NDArray[np.float32]:
        """Return a copy in the memory of the CPU."""
        return np.array(self._value.numpy(), dtype=np.float32)

    def __dlpack__(self, *, stream: Any = None, **_: object) -> Any:  # noqa: ANN401  a capsule
        return self._value.__dlpack__(stream=stream)

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, number = self._value.__dlpack_device__()
        return int(kind), int(number)


class Value(Protocol):
    """The methods of onnxruntime's OrtValue that a slot calls."""

    def update_inplace(self, data: NDArray[Any]) -> None:
        """Copy an array of the same shape into the value's memory."""

    def numpy(self) -> NDArray[Any]:
        """Return its values in the memory of the CPU."""


class Slot:
    """Buffers for batches of one size on a device, allocated once and bound once.

    Their addresses never change, as the replay of a CUDA graph requires.
    """

    def __init__(
        self,
        *,
        staging: NDArray[Any],
        input_value: Value,
        output_value: Value,
        run: Callable[[], None],
    ) -> None:
        """Take the buffers that the session has allocated.

        Args:
            staging: [B, ...] in the host's memory, from which the device copies.
            input_value: of the same shape, on the device.
            output_value: [B, D] on the device.
            run: runs the model, bound to the two.
        """
        self._staging, self._run = staging, run
        self._input, self._output = input_value, output_value
        self._filled = 0
        self._lock = threading.Lock()

    def __call__(self, batch: NDArray[Any]) -> F32:
        """Return the rows [n, D] of a batch of n <= B, padded with zeros to B."""
        n_rows = len(batch)
        with self._lock:
            self._staging[:n_rows] = batch
            self._staging[n_rows : self._filled] = 0
            self._filled = n_rows
            self._input.update_inplace(self._staging)
            self._run()
            return np.array(self._output.numpy()[:n_rows], dtype=np.float32)


Feeds = Mapping[str, NDArray[Any] | OnDevice]
"""Inputs of a run by name, in the memory of the CPU or of the device."""


def bound(session: Any, feeds: Feeds) -> Any:  # noqa: ANN401  onnxruntime's classes
    """Bind inputs whose arrays are contiguous, and which the caller keeps alive for the run."""
    binding = session.io_binding()
    for name, value in feeds.items():
        if isinstance(value, OnDevice):
            value.bind(binding, name)
        else:
            binding.bind_cpu_input(name, value)
    return binding


def contiguous(feeds: Feeds) -> Feeds:
    """Return the inputs with contiguous arrays: a binding reads, but does not keep them alive."""
    return {
        name: value if isinstance(value, OnDevice) else np.ascontiguousarray(value)
        for name, value in feeds.items()
    }
