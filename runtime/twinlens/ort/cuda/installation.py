"""Check of a CUDA installation: each missing or outdated part has its cure."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinlens.errors import ProviderError
from twinlens.ort.cuda.driver import LIBRARY, NO_DRIVER, Driver, read_driver
from twinlens.ort.cuda.shared_libraries import missing

_REINSTALL: Final = (
    "run: pip uninstall -y onnxruntime onnxruntime-gpu, then pip install 'twinlens[gpu]'"
)
_LIBRARIES: Final = (
    "pip install 'twinlens[gpu]' brings them; those of a toolkit must be on LD_LIBRARY_PATH"
)
_CURES: Final[Mapping[str, str]] = {
    r"CUDA failure 35\b|driver version is insufficient": (
        "NVIDIA's driver is too old for this wheel: update it, or take an older onnxruntime-gpu"
    ),
    r"CUDA failure 100\b|no CUDA-capable device": (
        "the driver sees no GPU: see whether nvidia-smi lists one, and what CUDA_VISIBLE_DEVICES is"
    ),
    r"CUDA failure 101\b|invalid device ordinal|Invalid device ID": (
        "there is no GPU of that number: nvidia-smi lists those there are"
    ),
    r"CUDA failure 209\b|no kernel image is available": (
        "this wheel was not built for so old or so new a GPU: take another onnxruntime-gpu"
    ),
    r"cuDNN (library was not found|is not available|is unavailable)|libcudnn|CUDNN_STATUS_": (
        "cuDNN is missing or does not fit: pip install 'twinlens[gpu]' brings the right one"
    ),
    r"TensorRT libraries|libnvinfer|libnvonnxparser": (
        "TensorRT is missing: pip install tensorrt, or leave CudaOptions.tensorrt out"
    ),
    r"cannot open shared object file|Failed to load library": f"a library is missing: {_LIBRARIES}",
}
"""Cures by a pattern of onnxruntime's message; the first match counts."""


def cure_of(message: str) -> str:
    """Return the cure of an error that onnxruntime raised on CUDA."""
    for pattern, cure in _CURES.items():
        if re.search(pattern, message):
            return cure
    return "twinlens doctor shows what works; device='cpu' needs none of it"


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaWheel:
    """An installed wheel of onnxruntime, and its CUDA provider."""

    folder: Path
    """Folder of its shared libraries."""
    cuda: str
    """CUDA version of its build, such as "13.0"; "" if it does not tell."""

    @property
    def provider(self) -> Path:
        """Shared library of the CUDA provider."""
        return self.folder / "libonnxruntime_providers_cuda.so"

    def require(self, number: int) -> Driver | None:
        """Check all that the provider needs: without it onnxruntime falls back to the CPU silently.

        Returns:
            The driver; None on Windows, where nothing is checked.

        Raises:
            ProviderError: something is missing or too old; the message has the cure.
        """
        if not sys.platform.startswith("linux"):
            return None
        if not self.provider.exists():
            raise ProviderError(
                f"onnxruntime's wheel lacks {self.provider.name}, although it lists the provider: "
                f"another wheel was installed over it; {_REINSTALL}"
            )
        self._require_libraries()
        driver = read_driver()
        self._require_version(driver)
        if number >= len(driver.gpus):
            names = ", ".join(f"cuda:{place} is {name}" for place, name in enumerate(driver.gpus))
            raise ProviderError(f"asked for cuda:{number}, but {names}; ask for one of these")
        return driver

    def _require_libraries(self) -> None:
        lost = missing(self.provider)
        toolkit = [name for name in lost if name != LIBRARY]
        if toolkit:
            built = f" for CUDA {self.cuda}" if self.cuda else ""
            reasons = "; ".join(lost[name] for name in toolkit)
            raise ProviderError(
                f"onnxruntime was built{built} and does not find {', '.join(toolkit)} "
                f"({reasons}); {_LIBRARIES}"
            )
        if lost:
            raise ProviderError(f"there is no NVIDIA driver ({lost[LIBRARY]}); {NO_DRIVER}")

    def _require_version(self, driver: Driver) -> None:
        """Check the driver, which runs every CUDA of its own major version and older ones."""
        major = re.match(r"\d+", self.cuda)
        if major and driver.cuda[0] < int(major[0]):
            raise ProviderError(
                f"the driver of {driver.gpus[0]} runs CUDA {driver.cuda[0]}.{driver.cuda[1]} and "
                f"older, but onnxruntime was built for CUDA {self.cuda}; update the driver, or "
                f"install an onnxruntime-gpu that was built for CUDA {driver.cuda[0]}"
            )
