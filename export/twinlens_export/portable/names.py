"""The names of ONNX files on the Hub, by which tools find them."""

from collections.abc import Mapping
from typing import Final

from twinlens.bundle.specs import Modality

ONNX_FOLDER: Final = "onnx"
STEMS: Final[Mapping[Modality, str]] = {"image": "vision_model", "text": "text_model"}
SUFFIXES: Final[Mapping[str, str]] = {"fp32": "", "fp16": "_fp16", "int8": "_quantized"}
"""Endings by precision, as transformers.js has them: of its dtypes fp32, fp16 and q8. A precision
without one is not written for other tools."""
