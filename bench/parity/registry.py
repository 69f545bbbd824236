"""OpenCLIP's registry, model by model: which tower is taken how, and what each refusal says."""

from collections import Counter
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from twinlens_export.checkpoints.open_clip.config import OpenClipConfig, read_open_clip_config
from twinlens_export.checkpoints.open_clip.tokenizer import require_options
from twinlens_export.errors import CheckpointError

VIT: Final = {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32}
REFUSED: Final[Mapping[str, Mapping[str, Any]]] = {
    "tokens chosen by nltk or by chance": {
        "text_cfg": {"tokenizer_kwargs": {"reduction_mask": "syntax"}}
    },
    "a class token behind the padding": {
        "text_cfg": {"hf_tokenizer_name": "x", "tokenizer_mode": "clips"}
    },
    "images that are not square": {"vision_cfg": VIT | {"image_size": [224, 336]}},
    "another filter of resizing": {"preprocess_cfg": {"interpolation": "nearest"}},
    "grey images": {"preprocess_cfg": {"mode": "L"}},
}
"""Changes of a plain configuration that nothing here can follow."""


def registry(library: ModuleType) -> dict[str, Any]:
    """Return the number of models by the kinds of their towers, and of those that are refused."""
    kinds, refused = Counter[str](), dict[str, str]()
    for name in library.list_models():
        try:
            config = _read({"model_cfg": library.get_model_config(name)})
            kinds[f"image {config.image_kind}, text {config.text_kind}"] += 1
        except CheckpointError as error:
            refused[name] = str(error)
    return {"models": len(library.list_models()), "taken": dict(kinds), "refused": refused}


def refusals(library: ModuleType) -> dict[str, str]:
    """Return the message of each refusal, by its case."""
    plain = library.get_model_config("ViT-B-32")
    found = {}
    for case, changes in REFUSED.items():
        model = {part: {**plain[part], **changes.get(part, {})} for part in plain if "cfg" in part}
        document = {"model_cfg": plain | model}
        document["preprocess_cfg"] = dict(changes.get("preprocess_cfg", {}))
        try:
            _read(document)
        except CheckpointError as error:
            found[case] = str(error)
    return found


def _read(document: Mapping[str, Any]) -> OpenClipConfig:
    config = read_open_clip_config(document)
    require_options(config.tokenizer)
    return config
