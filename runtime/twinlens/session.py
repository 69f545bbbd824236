"""The only file that knows onnxruntime: a device, and an ONNX program opened on it."""

import contextlib
import importlib
import importlib.metadata
import io
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import BundleError, ProviderError
from twinlens.processor import may_saturate
from twinlens_kernels import operators

logger = logging.getLogger(__name__)

Kind = Literal["cpu", "cuda"]

PROVIDERS: Final[Mapping[Kind, str]] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
}
WHEELS: Final = ("onnxruntime", "onnxruntime-gpu")
"""They own the same files: with both installed, which one is imported is chance."""

# An ONNX program of one Identity node: the cheapest question that only a working provider answers.
_PROBE: Final = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01pZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12'
    b"\x04\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\x11"
)
_FATAL: Final = 4
"""onnxruntime's log level: what goes wrong is raised here, not printed by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Where programs run."""

    kind: Kind
    number: int = 0

    def __str__(self) -> str:
        return "cpu" if self.kind == "cpu" else f"cuda:{self.number}"


CPU: Final = Device(kind="cpu")


def installed_wheels() -> dict[str, str]:
    """The onnxruntime wheels that are installed, with their versions."""
    found = {}
    for name in WHEELS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


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
        _onnxruntime()
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
    if PROVIDERS["cuda"] not in _onnxruntime().get_available_providers():
        logger.info("device 'auto' is the CPU: the onnxruntime wheel installed has no CUDA")
        return CPU
    try:
        probe(Device(kind="cuda"))
    except ProviderError as error:
        logger.warning("device 'auto' is the CPU, although the CUDA wheel is installed: %s", error)
        return CPU
    logger.info("device 'auto' is cuda:0")
    return Device(kind="cuda")


def _onnxruntime() -> Any:  # noqa: ANN401  the one door through which the untyped library enters
    wheels = installed_wheels()
    if len(wheels) == len(WHEELS):
        raise ProviderError(
            "onnxruntime and onnxruntime-gpu are both installed and own the same files; "
            "run: pip uninstall -y onnxruntime onnxruntime-gpu, then install one of "
            "twinlens[cpu] and twinlens[gpu]"
        )
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ProviderError(
            f"onnxruntime cannot be imported ({error}); install twinlens[cpu] or twinlens[gpu]"
        ) from error


class Session:
    """One ONNX program, opened on one device."""

    def __init__(self, program: Path | bytes, *, device: Device, threads: int, name: str) -> None:
        """Open a program.

        Args:
            program: the file, or its bytes.
            device: where it must run.
            threads: CPU threads inside one operator.
            name: what the program is called in errors.

        Raises:
            ProviderError: it cannot run on that device.
            BundleError: it is not a program that this onnxruntime reads.
        """
        ort = _onnxruntime()
        provider = PROVIDERS[device.kind]
        if provider not in ort.get_available_providers():
            raise ProviderError(_no_provider(device))
        if device.kind == "cuda":
            _preload(ort)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL
        if device.kind == "cpu" and operators.path() is not None:
            # What the library makes of its threads, it must be told: onnxruntime keeps the number.
            options.add_session_config_entry("twinlens.threads", str(threads))
            options.register_custom_ops_library(str(operators.library()))
        if may_saturate():
            # Wider products: slower than 8-bit ones, and right.
            options.add_session_config_entry("session.x64quantprecision", "1")
        try:
            self._session = ort.InferenceSession(
                program if isinstance(program, bytes) else str(program),
                options,
                providers=[(provider, _provider_options(device))],
                enable_fallback=0,  # else it prints and goes on without the device
            )
        except Exception as error:  # onnxruntime's own classes are private
            if device.kind == "cuda":
                raise ProviderError(f"{name} cannot be opened on {device}: {error}") from error
            raise BundleError(f"{name} cannot be opened: {error}; export it again") from error
        got = self._session.get_providers()[0]
        if got != provider:
            # onnxruntime itself only logs that it fell back.
            raise ProviderError(
                f"asked for {device}, but {name} runs on {got}; "
                "check the CUDA and cuDNN libraries (twinlens doctor) or open with device='cpu'"
            )
        self._name, self._device = name, device
        self._inputs = {node.name for node in self._session.get_inputs()}
        self._outputs = {node.name for node in self._session.get_outputs()}

    def require(self, *, inputs: set[str], outputs: set[str]) -> None:
        """Check that the program takes exactly these inputs and gives these outputs.

        Raises:
            BundleError: it does not.
        """
        if self._inputs != inputs or not outputs <= self._outputs:
            raise BundleError(
                f"{self._name} maps {sorted(self._inputs)} to {sorted(self._outputs)}, "
                f"wanted {sorted(inputs)} to {sorted(outputs)}; export it again"
            )

    def run(self, feeds: Mapping[str, NDArray[Any]], output: str) -> NDArray[np.float32]:
        """One output of the program for these inputs.

        Raises:
            ProviderError: the device failed while it ran.
        """
        try:
            (rows,) = self._session.run([output], dict(feeds))
        except Exception as error:  # onnxruntime's own classes are private
            raise ProviderError(self._failure(feeds, error)) from error
        return np.asarray(rows, dtype=np.float32)

    def run_on_device(self, feeds: Mapping[str, NDArray[Any]], output: str) -> "OnDevice":
        """One output of the program for these inputs, left where it was computed.

        Raises:
            ProviderError: the device failed while it ran.
        """
        try:
            binding = self._session.io_binding()
            for name, value in feeds.items():
                binding.bind_cpu_input(name, np.ascontiguousarray(value))
            binding.bind_output(output, self._device.kind, self._device.number)
            self._session.run_with_iobinding(binding)
            (value,) = binding.get_outputs()
        except Exception as error:  # onnxruntime's own classes are private
            raise ProviderError(self._failure(feeds, error)) from error
        return OnDevice(value)

    def upload(self, array: NDArray[Any]) -> "OnDevice":
        """A copy in the memory of the device, to be fed again and again.

        Raises:
            ProviderError: there is no room for it.
        """
        try:
            value = _onnxruntime().OrtValue.ortvalue_from_numpy(
                np.ascontiguousarray(array), self._device.kind, self._device.number
            )
        except Exception as error:  # onnxruntime's own classes are private
            raise ProviderError(
                f"{self._device} does not take {array.nbytes} bytes for {self._name}: {error}"
            ) from error
        return OnDevice(value)

    def run_bound(
        self, feeds: "Mapping[str, NDArray[Any] | OnDevice]", outputs: Sequence[str]
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
            raise ProviderError(self._failure(feeds, error)) from error

    def _failure(self, feeds: "Mapping[str, NDArray[Any] | OnDevice]", error: Exception) -> str:
        shapes = {name: list(value.shape) for name, value in feeds.items()}
        return f"{self._name} failed on {shapes}: {error}"


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


def _preload(ort: Any) -> None:  # noqa: ANN401  the untyped library
    """Let onnxruntime find the CUDA libraries that came through pip."""
    if not hasattr(ort, "preload_dlls"):  # before 1.21
        return
    said = io.StringIO()
    with contextlib.redirect_stdout(said):  # it prints what it does not find
        ort.preload_dlls()
    for line in said.getvalue().splitlines():
        logger.info("onnxruntime: %s", line)


def _provider_options(device: Device) -> dict[str, str]:
    if device.kind == "cpu":
        return {}
    return {
        "device_id": str(device.number),
        # The default tries every algorithm for every new shape, seconds each time.
        "cudnn_conv_algo_search": "HEURISTIC",
        # The default rounds float32 products to 10 bits, 1e-3 of a cosine.
        "use_tf32": "0",
        # The default doubles the arena whenever it grows.
        "arena_extend_strategy": "kSameAsRequested",
    }


def _no_provider(device: Device) -> str:
    wheels = ", ".join(f"{name} {version}" for name, version in installed_wheels().items())
    return (
        f"asked for {device}, but {wheels or 'onnxruntime'} has no {PROVIDERS[device.kind]}; "
        "run: pip uninstall -y onnxruntime, then pip install 'twinlens[gpu]', "
        "or open with device='cpu'"
    )
