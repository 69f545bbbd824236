"""onnxruntime, imported at first use; no other file imports it."""

from typing import Any

from twinlens.errors import ProviderError
from twinlens.ort.distributions import DISTRIBUTIONS, installed_distributions


def onnxruntime() -> Any:  # noqa: ANN401  the library ships no types
    """Return the library; importing twinlens alone does not import it.

    Raises:
        ProviderError: no wheel of it is installed, or both are; the message has the cure.
    """
    if len(installed_distributions()) == len(DISTRIBUTIONS):
        raise ProviderError(
            "onnxruntime and onnxruntime-gpu are both installed and own the same files; "
            "run: pip uninstall -y onnxruntime onnxruntime-gpu, then install one of "
            "twinlens[cpu] and twinlens[gpu]"
        )
    try:
        import onnxruntime as library  # noqa: PLC0415
    except ImportError as error:
        raise ProviderError(
            f"onnxruntime cannot be imported ({error}); install twinlens[cpu] or twinlens[gpu]"
        ) from error
    return library
