"""CUDA of the onnxruntime that was imported: its wheel, its libraries, the driver below them."""

import contextlib
import ctypes
import io
import logging
from pathlib import Path
from typing import Any

from twinlens.errors import ProviderError
from twinlens.ort.cuda.driver import Driver
from twinlens.ort.cuda.installation import CudaWheel
from twinlens.ort.cuda.shared_libraries import needed
from twinlens.ort.device import PROVIDERS, Device
from twinlens.ort.distributions import no_provider
from twinlens.ort.library import onnxruntime

logger = logging.getLogger(__name__)


def lists_cuda() -> bool:
    """Return True if the wheel lists the CUDA provider, whether or not the provider works."""
    return PROVIDERS["cuda"] in onnxruntime().get_available_providers()


def cuda_driver(number: int = 0) -> Driver | None:
    """Return the driver of that CUDA device, after a check of all that onnxruntime needs of CUDA.

    Returns:
        The driver; None on Windows, where nothing is checked.

    Raises:
        ProviderError: something is missing; the message has the cure.
    """
    if not lists_cuda():
        raise ProviderError(no_provider(Device(kind="cuda", number=number)))
    _preload()
    return _wheel().require(number)


def cuda_runtime() -> Any:  # noqa: ANN401  a library of ctypes
    """Return the CUDA runtime that the provider has loaded; None if it is linked to none."""
    provider = _wheel().provider
    names = needed(provider) if provider.exists() else ()
    found = next((name for name in names if name.startswith("libcudart")), None)
    return None if found is None else ctypes.CDLL(found)


def _wheel() -> CudaWheel:
    library = onnxruntime()
    folder = Path(library.__file__).parent / "capi"
    return CudaWheel(folder=folder, cuda=getattr(library, "cuda_version", ""))


def _preload() -> None:
    """Let onnxruntime find the CUDA libraries that pip installed."""
    library = onnxruntime()
    if not hasattr(library, "preload_dlls"):  # before 1.21
        return
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):  # it prints the libraries that it does not find
        library.preload_dlls()
    for line in printed.getvalue().splitlines():
        logger.info("onnxruntime: %s", line)
