"""Choice of a device: the one that was named, or the best one that works."""

import logging
import re
from typing import Final

import numpy as np

from twinlens.errors import ProviderError
from twinlens.ort.cuda.imported_wheel import cuda_driver, lists_cuda
from twinlens.ort.device import CPU, Device
from twinlens.ort.library import onnxruntime
from twinlens.ort.session import Session

logger = logging.getLogger(__name__)

# An ONNX model of one Identity node: the cheapest run that only a working provider answers.
_PROBE: Final = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01pZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12'
    b"\x04\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\x11"
)


def resolve(device: str) -> Device:
    """Return the device of a name: "auto", "cpu", "cuda" or "cuda:1".

    "auto" is the first CUDA device if it works, else the CPU; the log has the reason.

    Raises:
        ProviderError: the device cannot be used; the message has the cure.
        ValueError: no device has that name.
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
        ProviderError: it does not run there; the message has the cure.
    """
    session = Session(_PROBE, device=device, threads=1, name=f"the probe of {device}")
    session.run({"x": np.zeros(1, dtype=np.float32)}, "y")


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
