"""The image processors of transformers that scale by Pillow, the reference of the pixels.

transformers 5 has a class of its own for them; in 4 it has the plain name.
"""

from importlib import import_module
from typing import Any

import transformers
from transformers_version import IS_TRANSFORMERS_4


def pillow_processor(family: str, name: str) -> Any:  # noqa: ANN401  a class
    """Return a class by its family's folder in transformers and its name in transformers 4."""
    if IS_TRANSFORMERS_4:
        return getattr(transformers, name)
    module = import_module(f"transformers.models.{family}.image_processing_pil_{family}")
    return getattr(module, f"{name}Pil")


CLIPImageProcessorPil = pillow_processor("clip", "CLIPImageProcessor")
SiglipImageProcessorPil = pillow_processor("siglip", "SiglipImageProcessor")
ChineseCLIPImageProcessorPil = pillow_processor("chinese_clip", "ChineseCLIPImageProcessor")
