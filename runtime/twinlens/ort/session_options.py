"""Options of onnxruntime: how a session is opened on the CPU and on a CUDA device."""

import contextlib
import ctypes
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twinlens.errors import ProviderError
from twinlens.ort import native_operators
from twinlens.ort.cpu_features import may_saturate
from twinlens.ort.cuda.options import CudaOptions
from twinlens.ort.cuda.tensorrt_cache import engine_folder, model_hash
from twinlens.ort.device import PROVIDERS
from twinlens.ort.library import onnxruntime
from twinlens.ort.weights.mapped_weights import mapped_weights

TENSORRT: Final = "TensorrtExecutionProvider"

_WARNING, _FATAL = 2, 4
"""onnxruntime's log levels: its own default, and the one at which it prints nothing. Failures are
raised, not printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaPlace:
    """A CUDA device, and the options of the models that run on it."""

    number: int
    gpu: str
    """Name of the GPU."""
    options: CudaOptions

    def providers(self, model: Path | bytes) -> list[tuple[str, dict[str, str]]]:
        """Execution providers with their options, the preferred one first."""
        cuda = (PROVIDERS["cuda"], self.options.provider_options(self.number))
        if self.options.tensorrt is None:
            return [cuda]
        version = onnxruntime().__version__
        folder = engine_folder(
            self.options.tensorrt,
            gpu=self.gpu,
            versions=(f"onnxruntime {version}", f"TensorRT {_tensorrt_version()}"),
            model=model_hash(model),
        )
        return [(TENSORRT, self.options.tensorrt_options(self.number, folder)), cuda]


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuMemory:
    """Memory that a session on the CPU keeps."""

    packed: bool = True
    """True if it keeps a second copy of the weights, in the layout that its products prefer; else
    they stay in the mapped file. Without it a product with one row is summed in another order than
    one with several, and a row of a batch of one differs in its last bits."""
    arena: bool = True
    """True if it keeps the memory of a run for the next one."""
    folded: bool = True
    """True if it keeps the results of nodes that read weights alone, as float32 weights that
    standard operators unpack; else each run computes them anew."""
    shared: bool = False
    """True if it has the mapped weights in common with the other sessions of the same files. They
    stay resident, so it is for sessions that compute with them as they are."""


PLENTY: Final = CpuMemory()


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuPlace:
    """Choices of a session on the CPU, beside its threads."""

    memory: CpuMemory = PLENTY
    spinning: bool = False
    """True if its threads watch for the next operator instead of sleeping."""
    same_bits: bool = False
    """True if int8 must have the bits that every processor gives."""
    beside: tuple[Path, ...] = ()
    """Files of the model's external data."""


def open_on_cpu(model: Path | bytes, threads: int, place: CpuPlace) -> Any:  # noqa: ANN401  onnxruntime's InferenceSession
    """Open an InferenceSession on the CPU; the errors are onnxruntime's own.

    Args:
        model: the file, or its bytes.
        threads: CPU threads inside one operator.
        place: the other choices.
    """
    options = _session_options(threads)
    if not place.spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = place.memory.arena
    if not place.memory.packed:
        options.add_session_config_entry("session.disable_prepacking", "1")
    native_operators.register(options, threads, same_bits=place.same_bits)
    weights = None
    if place.memory.shared and place.beside and isinstance(model, Path):
        weights = mapped_weights(model, place.beside)
        weights.add_to(options)
    unwanted = () if place.memory.folded else ("ConstantFolding",)
    session = _inference_session(model, options, [(PROVIDERS["cpu"], {})], unwanted=unwanted)
    session.mapped_weights = weights  # they live as long as the session
    return session


def open_on_cuda(model: Path | bytes, threads: int, place: CudaPlace) -> Any:  # noqa: ANN401  untyped
    """Open an InferenceSession on a CUDA device; other errors are onnxruntime's own.

    Raises:
        ProviderError: TensorRT was asked for and does not work.
    """
    options = _session_options(threads)
    # Lets the session tell the provider of each node (onnxruntime 1.24).
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    with _silent():
        session = _inference_session(model, options, place.providers(model))
    if place.options.tensorrt is not None and TENSORRT not in session.get_providers():
        raise ProviderError(
            "asked for TensorRT, but onnxruntime does without it; "
            "pip install tensorrt, or leave CudaOptions.tensorrt out"
        )
    return session


def _session_options(threads: int) -> Any:  # noqa: ANN401  onnxruntime's SessionOptions
    options = onnxruntime().SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    if may_saturate():
        # Products of 16 bits instead of 8. Unsigned weights, as an export writes them, need none;
        # signed ones, of a bundle written before, would have wrong sums.
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def _inference_session(
    model: Path | bytes,
    options: Any,  # noqa: ANN401  onnxruntime's SessionOptions
    providers: Sequence[tuple[str, dict[str, str]]],
    *,
    unwanted: Sequence[str] = (),
) -> Any:  # noqa: ANN401  onnxruntime's InferenceSession
    return onnxruntime().InferenceSession(
        model if isinstance(model, bytes) else str(model),
        options,
        providers=list(providers),
        disabled_optimizers=list(unwanted),
        enable_fallback=0,  # else it prints a warning and continues without the device
    )


@contextlib.contextmanager
def _silent() -> Generator[None]:
    """Keep the provider from printing while it starts: its failures are raised."""
    library = onnxruntime()
    library.set_default_logger_severity(_FATAL)
    try:
        yield
    finally:
        library.set_default_logger_severity(_WARNING)


def _tensorrt_version() -> str:
    """Version of the library that the loader finds; "" if there is none: onnxruntime reports it."""
    try:
        number = int(ctypes.CDLL("libnvinfer.so.10").getInferLibVersion())
    except OSError:
        return ""
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"
