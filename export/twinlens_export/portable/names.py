"""The names of ONNX files on the Hub, by which tools find them."""

from collections.abc import Mapping, Sequence
from typing import Final

from twinlens.bundle.specs import Modality, Precision
from twinlens_export.errors import ExportError

ONNX_FOLDER: Final = "onnx"
STEMS: Final[Mapping[Modality, str]] = {"image": "vision_model", "text": "text_model"}
SUFFIXES: Final[Mapping[Precision, str]] = {"fp32": "", "fp16": "_fp16", "int8": "_quantized"}
"""Endings by precision, as transformers.js has them: of its dtypes fp32, fp16 and q8. A precision
without one is not written for other tools."""


def named(precisions: Sequence[Precision]) -> list[Precision]:
    """Return those precisions for which other tools have a name.

    Raises:
        ExportError: they have a name for none.
    """
    found = [one for one in precisions if one in SUFFIXES]
    if not found:
        raise nameless(precisions)
    return found


def nameless(precisions: Sequence[Precision]) -> ExportError:
    """Return the error of precisions for which other tools have no name."""
    return ExportError(
        f"other tools have names for {', '.join(SUFFIXES)}, and none for "
        f"{', '.join(precisions) or 'no precision'}; choose among these with --precision"
    )
