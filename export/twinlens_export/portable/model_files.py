"""The configurations that transformers, transformers.js and fastembed read beside towers."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from twinlens.bundle.specs import ImageSpec
from twinlens_export.architecture import PixelNormalization
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.checkpoints.hub_files import CONFIG, PREPROCESSOR
from twinlens_export.checkpoints.image_processor import RESAMPLING
from twinlens_export.presence import there

PILLOW_FILTERS: Final = {name: number for number, name in RESAMPLING.items()}


def with_model_files(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint with transformers' configurations, if it has none.

    OpenCLIP has others, and SigLIP 2 NaFlex a processor that makes patches, no pictures.
    No image processor of transformers pads a picture to a square: there is none for such a one.
    """
    files = {**checkpoint.files}
    if CONFIG not in files:
        files[CONFIG] = _json(_config(checkpoint))
    spec = checkpoint.image_spec
    if spec is not None and PREPROCESSOR not in files and spec.resize != "pad":
        processor = _processor(spec, checkpoint.image_tower.normalization)
        files[PREPROCESSOR] = _json(processor)
    return replace(checkpoint, files=files)


def _config(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the kind of the model, and the sizes of its inputs and outputs."""
    kind, model = ("clip", "CLIP") if checkpoint.native_bias is None else ("siglip", "Siglip")
    text, tokenizer = there(checkpoint.text_spec), there(checkpoint.tokenizer)
    ids = (*tokenizer.vocabulary.values(), *tokenizer.marks.values())
    return {
        "architectures": [f"{model}Model"],
        "model_type": kind,
        "projection_dim": checkpoint.width,
        "text_config": {
            "model_type": f"{kind}_text_model",
            "max_position_embeddings": text.context,
            "pad_token_id": text.pad_id,
            "eos_token_id": text.end_id,
            "vocab_size": 1 + max(ids),
        },
        "vision_config": {
            "model_type": f"{kind}_vision_model",
            "image_size": there(checkpoint.image_spec).side_px,
        },
    }


def _processor(spec: ImageSpec, normalization: PixelNormalization) -> dict[str, Any]:
    """Return a processor of transformers: SigLIP's squashes a picture, CLIP's crops it."""
    side = {"height": spec.side_px, "width": spec.side_px}
    crops = spec.resize == "shortest_edge"
    return {
        "image_processor_type": "CLIPImageProcessor" if crops else "SiglipImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": spec.side_px} if crops else side,
        "resample": PILLOW_FILTERS[spec.interpolation],
        "do_center_crop": crops,
        **({"crop_size": side} if crops else {}),
        "do_rescale": True,
        "rescale_factor": normalization.factor,
        "do_normalize": True,
        "image_mean": list(normalization.mean),
        "image_std": list(normalization.std),
    }


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"
