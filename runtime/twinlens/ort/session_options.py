"""How a program is opened: the options of onnxruntime, which its one door hands in as `ort`."""

import contextlib
import ctypes
import io
import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twinlens.errors import ProviderError
from twinlens.ort.cpu_features import may_saturate
from twinlens.ort.cuda.installation import CudaWheel
from twinlens.ort.cuda.options import CudaOptions
from twinlens.ort.cuda.tensorrt_cache import engine_folder, program_hash
from twinlens.ort.device import PROVIDERS
from twinlens_kernels import operators

logger = logging.getLogger(__name__)

TENSORRT: Final = "TensorrtExecutionProvider"

_WARNING, _FATAL = 2, 4
"""onnxruntime's log levels: its own default, and that at which it says nothing. What goes wrong is
raised, not printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaPlace:
    """A CUDA device, and how programs run on it."""

    number: int
    gpu: str
    """Its name."""
    options: CudaOptions

    def providers(self, ort: Any, program: Path | bytes) -> list[tuple[str, dict[str, str]]]:  # noqa: ANN401
        """What onnxruntime is asked for, the preferred one first."""
        cuda = (PROVIDERS["cuda"], self.options.provider_options(self.number))
        if self.options.tensorrt is None:
            return [cuda]
        folder = engine_folder(
            self.options.tensorrt,
            gpu=self.gpu,
            versions=(f"onnxruntime {ort.__version__}", f"TensorRT {_tensorrt_version()}"),
            program=program_hash(program),
        )
        return [(TENSORRT, self.options.tensorrt_options(self.number, folder)), cuda]


def open_on_cpu(ort: Any, program: Path | bytes, threads: int, *, low_memory: bool) -> Any:  # noqa: ANN401
    """A session of onnxruntime on the CPU; raises what onnxruntime raises."""
    options = _options(ort, threads)
    if low_memory:
        # The weights stay where they are, in the mapped file, and what a run took is given back.
        options.add_session_config_entry("session.disable_prepacking", "1")
        options.enable_cpu_mem_arena = False
    if operators.path() is not None:
        # onnxruntime tells its operators not how many threads there are, so they are told here.
        options.add_session_config_entry("twinlens.threads", str(threads))
        options.register_custom_ops_library(str(operators.library()))
    return _session(ort, program, options, [(PROVIDERS["cpu"], {})])


def open_on_cuda(ort: Any, program: Path | bytes, threads: int, place: CudaPlace) -> Any:  # noqa: ANN401
    """A session of onnxruntime on a CUDA device; raises what onnxruntime raises.

    Raises:
        ProviderError: TensorRT was asked for and does not work.
    """
    options = _options(ort, threads)
    # So that the session can say where its nodes are (onnxruntime 1.24).
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    with _silent(ort):
        session = _session(ort, program, options, place.providers(ort, program))
    if place.options.tensorrt is not None and TENSORRT not in session.get_providers():
        raise ProviderError(
            "asked for TensorRT, but onnxruntime does without it; "
            "pip install tensorrt, or leave CudaOptions.tensorrt out"
        )
    return session


def preload(ort: Any) -> None:  # noqa: ANN401
    """Let onnxruntime find the CUDA libraries that came through pip."""
    if not hasattr(ort, "preload_dlls"):  # before 1.21
        return
    said = io.StringIO()
    with contextlib.redirect_stdout(said):  # it prints what it does not find
        ort.preload_dlls()
    for line in said.getvalue().splitlines():
        logger.info("onnxruntime: %s", line)


def wheel_of(ort: Any) -> CudaWheel:  # noqa: ANN401
    """The installation that was imported."""
    folder = Path(ort.__file__).parent / "capi"
    return CudaWheel(folder=folder, cuda=getattr(ort, "cuda_version", ""))


def _options(ort: Any, threads: int) -> Any:  # noqa: ANN401
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    if may_saturate():
        # Wider products: slower than 8-bit ones, and right.
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def _session(
    ort: Any,  # noqa: ANN401
    program: Path | bytes,
    options: Any,  # noqa: ANN401
    providers: Sequence[tuple[str, dict[str, str]]],
) -> Any:  # noqa: ANN401
    return ort.InferenceSession(
        program if isinstance(program, bytes) else str(program),
        options,
        providers=list(providers),
        enable_fallback=0,  # else it prints and goes on without the device
    )


@contextlib.contextmanager
def _silent(ort: Any) -> Generator[None]:  # noqa: ANN401
    """Keep the provider from printing while it starts: what matters of it is raised."""
    ort.set_default_logger_severity(_FATAL)
    try:
        yield
    finally:
        ort.set_default_logger_severity(_WARNING)


def _tensorrt_version() -> str:
    """Of the library that is found, or "" if there is none: onnxruntime then says so."""
    try:
        number = int(ctypes.CDLL("libnvinfer.so.10").getInferLibVersion())
    except OSError:
        return ""
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"
