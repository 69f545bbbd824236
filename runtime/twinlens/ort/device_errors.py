"""Errors of a device: those of onnxruntime, raised as ours with the cure."""

from collections.abc import Generator
from contextlib import contextmanager

from twinlens import forks
from twinlens.errors import DeviceMemoryError, ProviderError
from twinlens.ort.cuda.installation import cure_of
from twinlens.ort.cuda.out_of_memory import is_out_of_memory
from twinlens.ort.device import Device
from twinlens.ort.memory.address_space import require_address_space


def in_one_line(error: Exception) -> str:
    """Return the message of onnxruntime's error, whose line breaks would tear ours."""
    return " ".join(str(error).splitlines())


@contextmanager
def device_errors(device: Device, failure: str) -> Generator[None]:
    """Translate the errors of the body; a ProviderError passes as it is.

    The classes that onnxruntime raises are private, so every Exception counts.

    Args:
        device: the body uses it.
        failure: the first half of the message: "the tower failed on [8, 4]".

    Raises:
        DeviceMemoryError: the device is out of memory.
        MemoryError: this process may have no more.
        ProviderError: the device failed otherwise; on CUDA the message has the cure.
    """
    require_address_space("a run")
    try:
        with forks.call():
            yield
    except ProviderError:
        raise
    except Exception as error:
        message = f"{failure}: {in_one_line(error)}"
        if is_out_of_memory(error):
            raise DeviceMemoryError(f"{message}; give less at a time") from error
        cure = f"; {cure_of(message)}" if device.kind == "cuda" else ""
        raise ProviderError(f"{message}{cure}") from error
