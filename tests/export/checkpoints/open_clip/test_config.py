"""The configuration of OpenCLIP checkpoints: transformers that are known, and towers to trace."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from twinlens_export.checkpoints.open_clip.config import read_open_clip_config
from twinlens_export.errors import CheckpointError

Document = Callable[..., dict[str, Any]]
SIGLIP = {"timm_model_name": "vit_small_siglip_32", "timm_pool": "map", "timm_proj": "none"}


@pytest.mark.parametrize(
    "image",
    [
        {"timm_model_name": "vit_base_patch16_siglip_gap_224"},
        SIGLIP | {"timm_pool": "avg"},
        SIGLIP | {"timm_proj": "linear"},
        {"timm_model_name": "fastvit_mci1"},
        {"layers": [3, 4, 6, 3]},
        {"attentional_pool": True},
        {"qk_norm": True},
        {"pool_type": "avg"},
        {"new": 1},
    ],
    ids=str,
)
def test_an_image_tower_that_is_no_known_transformer_is_traced(
    image: dict[str, Any], document: Document
) -> None:
    config = read_open_clip_config(document(image))
    assert (config.image_kind, config.image, config.text_kind) == ("traced", None, "open_clip")


@pytest.mark.parametrize(
    ("text", "trim"),
    [
        ({"hf_model_name": "roberta-base"}, True),
        ({"embed_cls": True}, False),
        ({"pool_type": "last"}, False),
        ({"act_kwargs": {"approximate": "x"}}, False),
    ],
    ids=str,
)
def test_a_text_tower_that_is_no_known_transformer_is_traced(
    text: dict[str, Any], trim: bool, document: Document
) -> None:
    config = read_open_clip_config(document(text=text))
    assert (config.text_kind, config.text, config.trim) == ("traced", None, trim)
    assert config.image_kind == "open_clip"


@pytest.mark.parametrize(
    ("image", "pooling"),
    [
        ({"ls_init_value": 1e-4}, "class"),
        ({"output_tokens": True}, "class"),
        ({"pool_type": "avg", "final_ln_after_pool": True, "no_ln_pre": True}, "mean"),
    ],
    ids=str,
)
def test_scales_and_means_of_a_transformer_are_known(
    image: dict[str, Any], pooling: str, document: Document
) -> None:
    config = read_open_clip_config(document(image))
    assert (config.image_kind, config.image_pooling) == ("open_clip", pooling)


def test_the_registrys_kinds_are_told_apart() -> None:
    """The counts of open_clip_torch 3.3.0, whose registry has 144 models."""
    open_clip = pytest.importorskip("open_clip")
    found = [
        read_open_clip_config({"model_cfg": open_clip.get_model_config(name)})
        for name in open_clip.list_models()
    ]
    images = Counter(config.image_kind for config in found)
    texts = Counter(config.text_kind for config in found)
    assert sum(images.values()) == len(open_clip.list_models())
    assert min(images["open_clip"], images["timm_siglip"], images["traced"]) > 20
    assert texts["traced"] < 15 < texts["open_clip"]


def test_what_no_tower_can_say_is_refused(document: Document) -> None:
    with pytest.raises(CheckpointError, match=r"images are not square: \[32, 64\]"):
        read_open_clip_config(document({"image_size": [32, 64]}))
    with pytest.raises(CheckpointError, match="has no 'model_cfg'"):
        read_open_clip_config({"preprocess_cfg": {}})


def test_the_configuration_tells_what_the_weights_do_not(document: Document) -> None:
    text = {"pool_type": "eos", "eos_id": 7, "norm_kwargs": {"eps": 1e-6}}
    config = read_open_clip_config(document({"head_width": 32}, text, quick_gelu=True))
    assert config.image is not None
    assert (config.image.heads, config.image.activation) == (4, "quick_gelu")
    assert config.text is not None
    assert (config.text.heads, config.text.epsilon, config.end_id) == (2, 1e-6, 7)
    assert (config.family.text.attention_mask, config.family.text.pooling) == ("causal", "eos")


def test_a_silent_configuration_means_what_open_clip_does(document: Document) -> None:
    config = read_open_clip_config(document())
    assert config.end_id is None
    assert config.text is not None
    assert (config.text.activation, config.text.epsilon) == ("gelu", 1e-5)


def test_siglip_sees_all_and_is_pooled_last(siglip_document: dict[str, Any]) -> None:
    config = read_open_clip_config(siglip_document)
    assert config.image is None  # timm's model has it
    assert (config.family.text.attention_mask, config.family.text.pooling) == ("full", "last")
    assert config.text is not None
    assert config.text.activation == "gelu_tanh"
