"""Copy of an array to a device, without any computation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinlens.ort.device import Device
from twinlens.ort.device_errors import device_errors
from twinlens.ort.io_binding import OnDevice
from twinlens.ort.library import onnxruntime


def copied(array: NDArray[Any], device: Device) -> OnDevice:
    """Return a copy of an array in the memory of the device.

    Raises:
        DeviceMemoryError: the device has no room for it.
        ProviderError: the device failed.
    """
    values = np.ascontiguousarray(array)
    with device_errors(device, f"{values.nbytes:,} bytes cannot be copied to {device}"):
        value = onnxruntime().OrtValue.ortvalue_from_numpy(values, device.kind, device.number)
    return OnDevice(value)
