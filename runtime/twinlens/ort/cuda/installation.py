"""An installation of CUDA: what of it is missing or too old, and the cure."""

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
"""What onnxruntime says of CUDA, as a pattern, and what is to be done."""


def cure_of(said: str) -> str:
    """What to do about an error that onnxruntime raised on CUDA."""
    for pattern, cure in _CURES.items():
        if re.search(pattern, said):
            return cure
    return "twinlens doctor shows what works; device='cpu' needs none of it"


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaWheel:
    """The onnxruntime that is installed, as far as it is about CUDA."""

    folder: Path
    """Where its libraries lie."""
    cuda: str
    """The CUDA that it was built with, such as "13.0"; empty if it does not say."""

    @property
    def provider(self) -> Path:
        """The library that holds the CUDA provider."""
        return self.folder / "libonnxruntime_providers_cuda.so"

    def require(self, number: int) -> Driver | None:
        """Check all that the provider needs, before onnxruntime falls back to the CPU over it.

        Returns:
            The driver; None where the check is not known: on Windows.

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
        """A driver runs every CUDA of its own major version, and older ones."""
        major = re.match(r"\d+", self.cuda)
        if major and driver.cuda[0] < int(major[0]):
            raise ProviderError(
                f"the driver of {driver.gpus[0]} runs CUDA {driver.cuda[0]}.{driver.cuda[1]} and "
                f"older, but onnxruntime was built for CUDA {self.cuda}; update the driver, or "
                f"install an onnxruntime-gpu that was built for CUDA {driver.cuda[0]}"
            )
