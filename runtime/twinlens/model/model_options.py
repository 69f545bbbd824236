"""Options of a model: the device, the precision and the threads of its towers."""

from dataclasses import dataclass

from twinlens.bundle.calibration import CalibrationLevel
from twinlens.bundle.specs import Precision
from twinlens.images.pixel_options import EXACT, PixelOptions
from twinlens.ort.cuda.options import DEFAULT, CudaOptions
from twinlens.ort.device import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """Options by which a bundle is opened; `twinlens.load` explains them."""

    device: Device
    precision: Precision
    threads: int | None = None
    """None for all CPUs that the process may use, wherever it opens the model."""
    pixels: PixelOptions = EXACT
    cuda: CudaOptions = DEFAULT
    low_memory: bool = False
    spinning: bool = False
    reproducible: bool = False
    level: CalibrationLevel | None = None
    """Level of its probabilities; None for any but "assumed"."""
