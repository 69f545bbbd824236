"""A device, and an ONNX program opened on it."""

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import BundleError, DeviceMemoryError, ProviderError
from twinlens.ort.cuda.imported_wheel import cuda_driver, cuda_runtime, lists_cuda
from twinlens.ort.cuda.installation import cure_of
from twinlens.ort.cuda.node_placement import Placement
from twinlens.ort.cuda.options import DEFAULT, CudaOptions
from twinlens.ort.cuda.out_of_memory import is_out_of_memory
from twinlens.ort.cuda.pinned_memory import pinned
from twinlens.ort.device import CPU, PROVIDERS, Device
from twinlens.ort.io_binding import OnDevice, Slot
from twinlens.ort.library import onnxruntime
from twinlens.ort.session_options import TENSORRT, CudaPlace, open_on_cpu, open_on_cuda

logger = logging.getLogger(__name__)

# An ONNX program of one Identity node: the cheapest question that only a working provider answers.
_PROBE: Final = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01pZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12'
    b"\x04\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\x11"
)
_DTYPES: Final[Mapping[str, type]] = {"tensor(uint8)": np.uint8, "tensor(int64)": np.int64}
"""What towers take, by onnxruntime's names."""
_NOT_RECORDED: Final = -1
""""gpu_graph_id" of a run that is not to be recorded."""


def resolve(device: str) -> Device:
    """The device that a name means: "auto", "cpu", "cuda" or "cuda:1".

    "auto" is the first CUDA device if one can be used, else the CPU, and the log says why.

    Raises:
        ProviderError: the device cannot be used; the message has the cure.
        ValueError: the name means no device.
    """
    if device == "auto":
        return _best_device()
    named = re.fullmatch(r"cpu|cuda(?::(\d+))?", device)
    if named is None:
        raise ValueError(f"device is {device!r}, not 'auto', 'cpu', 'cuda' or 'cuda:1'")
    if device == "cpu":
        onnxruntime()
        return CPU
    wanted = Device(kind="cuda", number=int(named[1] or 0))
    probe(wanted)
    return wanted


def probe(device: Device) -> None:
    """Run one node on the device.

    Raises:
        ProviderError: it does not run there.
    """
    program = Session(_PROBE, device=device, threads=1, name=f"the probe of {device}")
    program.run({"x": np.zeros(1, dtype=np.float32)}, "y")


def _best_device() -> Device:
    if not lists_cuda():
        logger.info("device 'auto' is the CPU: the onnxruntime wheel installed has no CUDA")
        return CPU
    first = Device(kind="cuda")
    try:
        driver = cuda_driver()
        probe(first)
    except ProviderError as error:
        logger.warning("device 'auto' is the CPU, although the CUDA wheel is installed: %s", error)
        return CPU
    logger.info("device 'auto' is cuda:0, %s", driver.gpus[0] if driver else "which works")
    return first


class Session:
    """One ONNX program, opened on one device."""

    def __init__(  # noqa: PLR0913  one choice each, none by place
        self,
        program: Path | bytes,
        *,
        device: Device,
        threads: int,
        name: str,
        cuda: CudaOptions = DEFAULT,
        low_memory: bool = False,
    ) -> None:
        """Open a program.

        Args:
            program: the file, or its bytes.
            device: where it must run.
            threads: CPU threads inside one operator.
            name: what the program is called in errors.
            cuda: how it runs, if the device is a CUDA one.
            low_memory: whether a CPU keeps no copy of the weights in the order it likes best, and
                no memory between two runs.

        Raises:
            ProviderError: it cannot run on that device.
            BundleError: it is not a program that this onnxruntime reads.
        """
        self._name, self._device, self._cuda = name, device, cuda
        self._session = self._opened(program, threads, low_memory=low_memory)
        self._require_device()
        self._inputs = {node.name: node for node in self._session.get_inputs()}
        self._outputs = {node.name: node for node in self._session.get_outputs()}

    def _opened(self, program: Path | bytes, threads: int, *, low_memory: bool) -> Any:  # noqa: ANN401  untyped
        try:
            if self._device.kind == "cpu":
                return open_on_cpu(program, threads, low_memory=low_memory)
            number = self._device.number
            driver = cuda_driver(number)
            gpu = driver.gpus[number] if driver else str(self._device)
            place = CudaPlace(number=number, gpu=gpu, options=self._cuda)
            return open_on_cuda(program, threads, place)
        except ProviderError:
            raise
        except Exception as error:  # onnxruntime's own classes are private
            if self._device.kind == "cpu":
                raise BundleError(
                    f"{self._name} cannot be opened: {error}; export it again"
                ) from error
            said = f"{self._name} cannot be opened on {self._device}: {error}"
            raise self._error(said, error) from error

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
        """Check that the program takes exactly these inputs and gives these outputs.

        Raises:
            BundleError: it does not.
        """
        if self._inputs.keys() != inputs or not outputs <= self._outputs.keys():
            raise BundleError(
                f"{self._name} maps {sorted(self._inputs)} to {sorted(self._outputs)}, "
                f"wanted {sorted(inputs)} to {sorted(outputs)}; export it again"
            )

    @cached_property
    def placement(self) -> Placement | None:
        """Where its nodes run; None if this onnxruntime does not tell, or the device is the CPU."""
        if self._device.kind == "cpu":
            return None
        if not hasattr(self._session, "get_provider_graph_assignment_info"):  # before 1.24
            logger.info("this onnxruntime does not tell where nodes run; 1.24 does")
            return None
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
        elsewhere = self.placement.astray((PROVIDERS[self._device.kind], TENSORRT))
        astray = [f"{operator} {name}" for operator, name in elsewhere if name not in shape_nodes]
        if astray:
            more = f" and {len(astray) - 3} more" if len(astray) > 3 else ""
            raise ProviderError(
                f"{self._name} has nodes that {self._device} does not run: "
                f"{', '.join(astray[:3])}{more}; "
                "take precision='fp16', another onnxruntime-gpu, or device='cpu'"
            )

    def run(self, feeds: Mapping[str, NDArray[Any]], output: str) -> NDArray[np.float32]:
        """One output of the program for these inputs.

        Raises:
            DeviceMemoryError: the device has no room for them.
            ProviderError: the device failed while it ran.
        """
        try:
            (rows,) = self._session.run([output], dict(feeds))
        except Exception as error:  # onnxruntime's own classes are private
            raise self._error(self._failure(feeds, error), error) from error
        return np.asarray(rows, dtype=np.float32)

    def run_on_device(self, feeds: Mapping[str, NDArray[Any] | OnDevice], output: str) -> OnDevice:
        """One output of the program for these inputs, left where it was computed.

        Inputs may lie there already.

        Raises:
            DeviceMemoryError: the device has no room for them.
            ProviderError: the device failed while it ran.
        """
        try:
            binding = self._session.io_binding()
            for name, value in feeds.items():
                if isinstance(value, OnDevice):
                    value.bind(binding, name)
                else:
                    binding.bind_cpu_input(name, np.ascontiguousarray(value))
            binding.bind_output(output, self._device.kind, self._device.number)
            self._session.run_with_iobinding(binding, self._recorded_as(_NOT_RECORDED))
            (value,) = binding.get_outputs()
        except Exception as error:  # onnxruntime's own classes are private
            raise self._error(self._failure(feeds, error), error) from error
        return OnDevice(value)

    def slot(self, shape: tuple[int, ...], *, recorded: int) -> Slot:
        """A place for batches of this shape on the device, for a program of one input and output.

        Args:
            shape: of the input, B first.
            recorded: under which number the device records the run, if it records runs.

        Raises:
            DeviceMemoryError: the device has no room for it.
        """
        ((given, place),) = self._inputs.items()
        ((found, rows),) = self._outputs.items()
        where = (self._device.kind, self._device.number)
        dtype = _DTYPES[place.type]
        how = self._recorded_as(recorded)
        try:
            allocate = onnxruntime().OrtValue.ortvalue_from_shape_and_type
            input_value = allocate(shape, dtype, *where)
            output_value = allocate((shape[0], rows.shape[1]), np.float32, *where)
            binding = self._session.io_binding()
            binding.bind_ortvalue_input(given, input_value)
            binding.bind_ortvalue_output(found, output_value)
        except Exception as error:  # onnxruntime's own classes are private
            said = f"{self._device} has no place for {list(shape)} in {self._name}: {error}"
            raise self._error(said, error) from error

        def run() -> None:
            try:
                self._session.run_with_iobinding(binding, how)
            except Exception as error:  # onnxruntime's own classes are private
                said = f"{self._name} failed on {list(shape)}: {error}"
                raise self._error(said, error) from error

        staging = pinned(shape, dtype, self._cuda_runtime, number=self._device.number)
        return Slot(staging=staging, given=input_value, found=output_value, run=run)

    def _recorded_as(self, number: int) -> Any:  # noqa: ANN401  onnxruntime's own RunOptions
        if self._device.kind == "cpu" or not self._cuda.graphs:
            return None
        how = onnxruntime().RunOptions()
        how.add_run_config_entry("gpu_graph_id", str(number))
        return how

    @cached_property
    def _cuda_runtime(self) -> Any:  # noqa: ANN401  what ctypes makes of a library
        """The CUDA runtime that the provider has loaded; None on the CPU."""
        return None if self._device.kind == "cpu" else cuda_runtime()

    def upload(self, array: NDArray[Any]) -> OnDevice:
        """A copy in the memory of the device, to be fed again and again.

        Raises:
            DeviceMemoryError: there is no room for it.
            ProviderError: the device failed.
        """
        try:
            value = onnxruntime().OrtValue.ortvalue_from_numpy(
                np.ascontiguousarray(array), self._device.kind, self._device.number
            )
        except Exception as error:  # onnxruntime's own classes are private
            said = f"{self._device} does not take {array.nbytes} bytes for {self._name}: {error}"
            raise self._error(said, error) from error
        return OnDevice(value)

    def run_bound(
        self, feeds: Mapping[str, NDArray[Any] | OnDevice], outputs: Sequence[str]
    ) -> tuple[NDArray[Any], ...]:
        """Some outputs of the program for inputs of which some are on the device already.

        Raises:
            ProviderError: the device failed while it ran.
        """
        # The binding reads these arrays while the program runs, and does not keep them alive.
        arrays = {
            name: np.ascontiguousarray(value)
            for name, value in feeds.items()
            if not isinstance(value, OnDevice)
        }
        try:
            binding = self._session.io_binding()
            for name, value in feeds.items():
                if isinstance(value, OnDevice):
                    value.bind(binding, name)
                else:
                    binding.bind_cpu_input(name, arrays[name])
            for name in outputs:
                binding.bind_output(name, "cpu")
            self._session.run_with_iobinding(binding)
            return tuple(binding.copy_outputs_to_cpu())
        except Exception as error:  # onnxruntime's own classes are private
            raise self._error(self._failure(feeds, error), error) from error

    def _failure(self, feeds: Mapping[str, NDArray[Any] | OnDevice], error: Exception) -> str:
        shapes = {name: list(value.shape) for name, value in feeds.items()}
        return f"{self._name} failed on {shapes}: {error}"

    def _error(self, said: str, error: Exception) -> ProviderError:
        """What a failure of the device is raised as."""
        if is_out_of_memory(error):
            return DeviceMemoryError(f"{said}; give less at a time")
        cure = f"; {cure_of(said)}" if self._device.kind == "cuda" else ""
        return ProviderError(f"{said}{cure}")
