"""onnxruntime, imported at first use; no other file imports it."""

import logging
import os
import sys
from functools import cache
from typing import Any, Final

from twinlens.errors import ProviderError
from twinlens.ort.distributions import DISTRIBUTIONS, installed_distributions

logger = logging.getLogger(__name__)

TELEMETRY: Final = "ORT_DISABLE_TELEMETRY"
"""Variable of the environment that onnxruntime 1.32 reads while it is imported, and only then.

With telemetry a load writes a device id and a database under the user's cache folder and resolves
the name of a host; `onnxruntime.disable_telemetry_events` comes too late for both.
"""


def onnxruntime() -> Any:  # noqa: ANN401  the library ships no types
    """Return the library, without its telemetry; importing twinlens alone does not import it.

    A program that has imported it earlier has settled its telemetry itself.

    Raises:
        ProviderError: no wheel of it is installed, or both are; the message has the cure.
    """
    if len(installed_distributions()) == len(DISTRIBUTIONS):
        raise ProviderError(
            "onnxruntime and onnxruntime-gpu are both installed and own the same files; "
            "run: pip uninstall -y onnxruntime onnxruntime-gpu, then install one of "
            "twinlens[cpu] and twinlens[gpu]"
        )
    _disable_telemetry()
    try:
        import onnxruntime as library  # noqa: PLC0415
    except ImportError as error:
        raise ProviderError(
            f"onnxruntime cannot be imported ({error}); install twinlens[cpu] or twinlens[gpu]"
        ) from error
    return library


@cache
def _disable_telemetry() -> None:
    """Set the variable, for this process and those that it starts, unless the user has set it."""
    if TELEMETRY in os.environ:
        return
    if "onnxruntime" in sys.modules:
        logger.info(
            "onnxruntime was imported before twinlens and may send telemetry; "
            "set %s=1 or import and use twinlens first",
            TELEMETRY,
        )
        return
    os.environ[TELEMETRY] = "1"
