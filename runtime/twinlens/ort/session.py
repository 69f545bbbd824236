"""Session: one ONNX model, opened on one device."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinlens import forks
from twinlens.errors import BundleError, ClosedError, ProviderError, quoted
from twinlens.forks import ForkedLock, keep_for_ever, renew_in_children
from twinlens.ort.cancellation import Cancellation, cancellable
from twinlens.ort.cuda.imported_wheel import cuda_driver, cuda_runtime
from twinlens.ort.cuda.node_placement import Placement
from twinlens.ort.cuda.options import DEFAULT, CudaOptions
from twinlens.ort.cuda.pinned_memory import pinned
from twinlens.ort.device import PROVIDERS, Device
from twinlens.ort.device_errors import device_errors, in_one_line
from twinlens.ort.io_binding import Feeds, OnDevice, Slot, bound, contiguous
from twinlens.ort.library import onnxruntime
from twinlens.ort.memory.address_space import SESSION_BYTES, require_address_space, touch_exceptions
from twinlens.ort.opened_files import OpenedFiles
from twinlens.ort.session_options import (
    PLENTY,
    TENSORRT,
    CpuMemory,
    CpuPlace,
    CudaPlace,
    open_on_cpu,
    open_on_cuda,
)
from twinlens.ort.tensor_type import TensorType

_DTYPES: Final[Mapping[str, type]] = {"uint8": np.uint8, "int64": np.int64}
"""Input types of the towers, by onnxruntime's names."""
_NOT_RECORDED: Final = -1
""""gpu_graph_id" of a run that is not captured as a CUDA graph."""


class Session:
    """One ONNX model, opened on one device."""

    def __init__(  # noqa: PLR0913  one choice each, none by place
        self,
        model: Path | bytes,
        *,
        device: Device,
        threads: int,
        name: str,
        cuda: CudaOptions = DEFAULT,
        memory: CpuMemory = PLENTY,
        spinning: bool = False,
        same_bits: bool = False,
        beside: Sequence[Path] = (),
    ) -> None:
        """Open a model.

        A fork waits for the runs of other threads. In the child a session with threads of its own,
        which a fork does not copy, is opened anew at its first run; its files must be as they were.

        Args:
            model: the file, or its bytes.
            device: where it must run.
            threads: CPU threads inside one operator.
            name: of the model, for error messages.
            cuda: options of a CUDA device.
            memory: memory that a session on the CPU keeps.
            spinning: True if its threads on the CPU watch for work instead of sleeping.
            same_bits: True if int8 must have the bits that every processor gives.
            beside: files of its external data.

        Raises:
            ProviderError: it cannot run on that device.
            BundleError: this onnxruntime cannot read the model.
        """
        self._name, self._device, self._cuda = name, device, cuda
        self._model = model if isinstance(model, bytes) else model.absolute()
        self._threads = threads
        self._cpu = CpuPlace(
            memory=memory,
            spinning=spinning,
            same_bits=same_bits,
            beside=tuple(path.absolute() for path in beside),
        )
        self._files = OpenedFiles([] if isinstance(model, bytes) else [model, *beside])
        self._torn = self._closed = False
        self._opening = ForkedLock()
        self._opened = self._open()
        renew_in_children(self)
        self._require_device()
        # onnxruntime's own nodes would keep the session in memory after `close`.
        self._inputs = {node.name: TensorType.of(node) for node in self._opened.get_inputs()}
        self._outputs = {node.name: TensorType.of(node) for node in self._opened.get_outputs()}

    def renew(self, *, torn: bool) -> None:
        """Forget the session in a forked child if it has threads or a device, which are lost there.

        It is never destroyed: that would wait for its threads for ever.
        """
        self._torn = self._torn or torn
        if self._opened is not None and (self._threads > 1 or self._device.kind == "cuda" or torn):
            keep_for_ever(self._opened)
            self._opened = None

    @property
    def closed(self) -> bool:
        """True from `close` on."""
        return self._closed

    @property
    def lost(self) -> bool:
        """True in a forked child whose parent had opened the session, until it is opened anew."""
        return self._opened is None and not self._closed

    def close(self) -> None:
        """Give the memory back, and refuse later runs; a second time changes nothing.

        Runs of other threads end as usual, and the last of them gives the memory back. It takes no
        lock, so that a signal handler may close a session whatever its thread is at.
        """
        self._closed = True
        with forks.call():  # its destruction is not cut in two
            self._opened = None

    def require_open(self) -> None:
        """Check that the session is open.

        Raises:
            ClosedError: it was closed.
        """
        if self._closed:
            raise ClosedError(f"{self._name} was closed; load the model again")

    def require_process(self) -> None:
        """Check that the session is open, and that a forked child may use it.

        Raises:
            ClosedError: it was closed.
            ProviderError: the child may not; the message has the cure.
        """
        self.require_open()
        if self._opened is not None:
            return
        if self._device.kind == "cuda":
            raise ProviderError(
                f"{self._name} was opened on {self._device} before this process was forked, and "
                "CUDA does not survive a fork; load the model in the child, or start it with "
                "multiprocessing's 'spawn'"
            )
        if self._torn:
            raise ProviderError(
                f"{self._name} was running in another thread while this process was forked; fork "
                "when no thread embeds, or start the child with multiprocessing's 'spawn'"
            )

    @property
    def _session(self) -> Any:  # noqa: ANN401  onnxruntime's InferenceSession
        """The open session; in a forked child it may be opened here.

        Raises:
            BundleError: a file was changed after it was opened in the parent.
            ClosedError: it was closed.
            ProviderError: the child cannot use it.
        """
        opened = self._opened
        if opened is not None:
            return opened
        self.require_process()
        with self._opening:
            if self._opened is None:
                self._files.require_unchanged()
                self._opened = self._open()
            opened = self._opened
        if self._closed:  # meanwhile
            self.close()
            self.require_open()
        return opened

    def _open(self) -> Any:  # noqa: ANN401  onnxruntime's InferenceSession
        if self._device.kind == "cpu":
            return self._opened_on_cpu(self._model, self._threads)
        return self._opened_on_cuda(self._model, self._threads)

    def _opened_on_cpu(self, model: Path | bytes, threads: int) -> Any:  # noqa: ANN401  untyped
        act = f"{self._name} with {threads} threads"
        require_address_space(act, n_bytes=SESSION_BYTES, threads=threads - 1)
        touch_exceptions()
        try:
            with forks.call():
                return open_on_cpu(model, threads, self._cpu)
        except (MemoryError, ProviderError):
            raise
        except Exception as error:  # onnxruntime's own classes are private
            raise BundleError(
                f"{self._name} cannot be opened: {in_one_line(error)}; export it again"
            ) from error

    def _opened_on_cuda(self, model: Path | bytes, threads: int) -> Any:  # noqa: ANN401  untyped
        number = self._device.number
        with device_errors(self._device, f"{self._name} cannot be opened on {self._device}"):
            driver = cuda_driver(number)
            gpu = driver.gpus[number] if driver else str(self._device)
            place = CudaPlace(number=number, gpu=gpu, options=self._cuda)
            return open_on_cuda(model, threads, place)

    def _require_device(self) -> None:
        # onnxruntime itself only logs that it fell back.
        got = self._session.get_providers()
        wanted = PROVIDERS[self._device.kind]
        if wanted not in got:
            raise ProviderError(
                f"asked for {self._device}, but {self._name} runs on {got[0]}; "
                "check the CUDA and cuDNN libraries (twinlens doctor) or open with device='cpu'"
            )

    def require(self, *, inputs: set[str], outputs: set[str]) -> None:
        """Check that the model takes exactly these inputs and gives these outputs.

        Raises:
            BundleError: it does not.
        """
        if self._inputs.keys() != inputs or not outputs <= self._outputs.keys():
            raise BundleError(
                f"{self._name} maps {sorted(self._inputs)} to {sorted(self._outputs)}, "
                f"wanted {quoted(sorted(inputs))} to {quoted(sorted(outputs))}; export it again"
            )

    def require_types(self, wanted: Mapping[str, TensorType]) -> None:
        """Check the types of some inputs and outputs, which are there.

        Raises:
            BundleError: one is another.
        """
        types = {**self._inputs, **self._outputs}
        for name, kind in wanted.items():
            got = types[name]
            if not kind.takes(got):
                raise BundleError(
                    f"{self._name} has {name} as {got}, its manifest wants {kind}; export it again"
                )

    @cached_property
    def placement(self) -> Placement | None:
        """Provider of each node; None on the CPU.

        Raises:
            ProviderError: this onnxruntime does not tell.
        """
        if self._device.kind == "cpu":
            return None
        if not hasattr(self._session, "get_provider_graph_assignment_info"):  # before 1.24
            raise ProviderError(
                f"onnxruntime {onnxruntime().__version__} does not tell which nodes {self._device} "
                "runs, wanted 1.26 or newer; run: pip install -U 'twinlens[gpu]'"
            )
        return Placement.of(self._session.get_provider_graph_assignment_info())

    def require_placement(self, *, shape_nodes: Collection[str] = ()) -> None:
        """Check that no node has fallen back from the device to the CPU.

        Args:
            shape_nodes: names of the nodes that are computed from the shapes of tensors alone; they
                are on the CPU on purpose.

        Raises:
            ProviderError: some have; the message names them.
        """
        if self.placement is None:
            return
        others = self.placement.outside((PROVIDERS[self._device.kind], TENSORRT))
        fallen = [f"{operator} {name}" for operator, name in others if name not in shape_nodes]
        if fallen:
            more = f" and {len(fallen) - 3} more" if len(fallen) > 3 else ""
            raise ProviderError(
                f"{self._name} has nodes that {self._device} does not run: "
                f"{', '.join(fallen[:3])}{more}; "
                "take precision='fp16', another onnxruntime-gpu, or device='cpu'"
            )

    def run(
        self,
        feeds: Mapping[str, NDArray[Any]],
        output: str,
        *,
        cancel: Cancellation | None = None,
    ) -> NDArray[np.float32]:
        """Return one output of the model for these inputs.

        Raises:
            ClosedError: the session was closed.
            DeviceMemoryError: the device has no room for them.
            ProviderError: the device failed while it ran.
            RunCancelledError: it was cancelled.
        """
        session = self._session
        with (
            cancellable(cancel, self._name) as options,
            device_errors(self._device, self._failure(feeds)),
        ):
            (rows,) = session.run([output], dict(feeds), options)
        return np.asarray(rows, dtype=np.float32)

    def run_on_device(self, feeds: Feeds, output: str) -> OnDevice:
        """Return one output of the model, in the memory of the device that computed it.

        Raises:
            DeviceMemoryError: the device has no room for the inputs.
            ProviderError: the device failed while it ran.
        """
        arrays = contiguous(feeds)
        session = self._session
        with device_errors(self._device, self._failure(feeds)):
            binding = bound(session, arrays)
            binding.bind_output(output, self._device.kind, self._device.number)
            session.run_with_iobinding(binding, self._run_options(_NOT_RECORDED))
            (value,) = binding.get_outputs()
        return OnDevice(value)

    def run_bound(self, feeds: Feeds, outputs: Sequence[str]) -> tuple[NDArray[Any], ...]:
        """Return some outputs of the model, in the memory of the CPU.

        Raises:
            DeviceMemoryError: the device has no room for the inputs.
            ProviderError: the device failed while it ran.
        """
        arrays = contiguous(feeds)
        session = self._session
        with device_errors(self._device, self._failure(feeds)):
            binding = bound(session, arrays)
            for name in outputs:
                binding.bind_output(name, "cpu")
            session.run_with_iobinding(binding)
            return tuple(binding.copy_outputs_to_cpu())

    def slot(self, shape: tuple[int, ...], *, recorded: int) -> Slot:
        """Allocate a slot for batches of this shape, for a model of one input and one output.

        Args:
            shape: of the input, B first.
            recorded: number of the CUDA graph, if the device captures its runs as CUDA graphs.

        Raises:
            DeviceMemoryError: the device has no room for it.
        """
        ((input_name, input_type),) = self._inputs.items()
        ((output_name, output_type),) = self._outputs.items()
        dtype, width = _DTYPES[input_type.element], output_type.shape[1]
        assert isinstance(width, int), f"{self._name} gives rows of any width"
        options = self._run_options(recorded)
        no_place = f"{self._device} has no place for {list(shape)} in {self._name}"
        failed = f"{self._name} failed on {list(shape)}"
        session = self._session
        with device_errors(self._device, no_place):
            input_value = self._allocate(shape, dtype)
            output_value = self._allocate((shape[0], width), np.float32)
            binding = session.io_binding()
            binding.bind_ortvalue_input(input_name, input_value)
            binding.bind_ortvalue_output(output_name, output_value)

        def run() -> None:
            with device_errors(self._device, failed):
                session.run_with_iobinding(binding, options)

        staging = pinned(shape, dtype, self._cuda_runtime, number=self._device.number)
        return Slot(staging=staging, input_value=input_value, output_value=output_value, run=run)

    def upload(self, array: NDArray[Any]) -> OnDevice:
        """Return a copy in the memory of the device, which any number of runs may take.

        Raises:
            DeviceMemoryError: there is no room for it.
            ProviderError: the device failed.
        """
        self.require_process()
        refused = f"{self._device} does not take {array.nbytes} bytes for {self._name}"
        with device_errors(self._device, refused):
            value = onnxruntime().OrtValue.ortvalue_from_numpy(
                np.ascontiguousarray(array), self._device.kind, self._device.number
            )
        return OnDevice(value)

    def _allocate(self, shape: tuple[int, ...], dtype: type) -> Any:  # noqa: ANN401  onnxruntime's OrtValue
        return onnxruntime().OrtValue.ortvalue_from_shape_and_type(
            shape, dtype, self._device.kind, self._device.number
        )

    def _run_options(self, recorded: int) -> Any:  # noqa: ANN401  onnxruntime's RunOptions
        if self._device.kind == "cpu" or not self._cuda.graphs:
            return None
        options = onnxruntime().RunOptions()
        options.add_run_config_entry("gpu_graph_id", str(recorded))
        return options

    @cached_property
    def _cuda_runtime(self) -> Any:  # noqa: ANN401  a library of ctypes
        """The CUDA runtime that the provider has loaded; None on the CPU."""
        return None if self._device.kind == "cpu" else cuda_runtime()

    def _failure(self, feeds: Feeds) -> str:
        shapes = {name: list(value.shape) for name, value in feeds.items()}
        return f"{self._name} failed on {shapes}"
