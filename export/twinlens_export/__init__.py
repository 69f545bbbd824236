"""Export of a CLIP-like checkpoint to a bundle: two verified ONNX towers and their settings.

checkpoint -> architecture -> graph -> precision -> ONNX file -> verification -> bundle
"""

from twinlens_command import take_signal_if_run as _take_signal_if_run  # isort: skip

_take_signal_if_run("twinlens_export")

import importlib
from typing import TYPE_CHECKING, Any

from twinlens_export.errors import ExportError

if TYPE_CHECKING:
    from twinlens_export.exporter import export
    from twinlens_export.portable.folder import write_portable
    from twinlens_export.verification.samples import SampleFiles

__all__ = ["ExportError", "SampleFiles", "export", "write_portable"]

_HOMES = {
    "SampleFiles": "twinlens_export.verification.samples",
    "export": "twinlens_export.exporter",
    "write_portable": "twinlens_export.portable.folder",
}
_EXTRA = frozenset({"onnx", "safetensors", "torch", "transformers"})
"""Libraries of the extra `export`; they take seconds to import, so only an export does."""


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise ExportError(
            f"{error.name} is not installed; run: pip install 'twinlens[cpu,export]'"
        ) from error
