"""The configuration of OpenCLIP checkpoints: read or refused."""

from collections.abc import Callable
from typing import Any

import pytest

from twinlens_export.checkpoints.open_clip_config import read_open_clip_config
from twinlens_export.errors import CheckpointError

Document = Callable[..., dict[str, Any]]
SIGLIP = {"timm_model_name": "vit_small_siglip_32", "timm_pool": "map", "timm_proj": "none"}


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            {"timm_model_name": "vit_base_patch16_siglip_gap_224"},
            r"timm's vit_base_patch16_siglip_gap_224, .* own two transformers, and timm's SigLIP",
        ),
        (SIGLIP | {"timm_pool": "avg"}, "timm_pool 'avg'; 'map' is supported"),
        (SIGLIP | {"timm_proj": "linear"}, "timm_proj 'linear'; 'none' is supported"),
        ({"timm_model_name": "fastvit_mci1"}, "timm's fastvit_mci1, which is not"),
        ({"layers": [3, 4, 6, 3]}, "is a ResNet, which is not supported"),
        ({"attentional_pool": True}, "vision_cfg has attentional_pool = True"),
        ({"ls_init_value": 1e-4}, "vision_cfg has ls_init_value = 0.0001"),
        ({"pool_type": "avg"}, "pool_type 'avg'; 'tok' is supported"),
        ({"image_size": [32, 64]}, r"images are not square: \[32, 64\]"),
        ({"new": 1}, "vision_cfg has new = 1, which is not supported"),
    ],
)
def test_an_image_tower_that_is_not_supported_is_refused(
    image: dict[str, Any], message: str, document: Document
) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_open_clip_config(document(image))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"hf_model_name": "roberta-base"}, "is a roberta-base, which is not"),
        ({"embed_cls": True}, "text_cfg has embed_cls = True"),
        ({"pool_type": "last"}, "pool_type 'last'; supported are argmax, eos"),
        ({"act_kwargs": {"approximate": "x"}}, "text_cfg has act_kwargs"),
    ],
)
def test_a_text_tower_that_is_not_supported_is_refused(
    text: dict[str, Any], message: str, document: Document
) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_open_clip_config(document(text=text))


def test_a_checkpoint_of_more_or_less_than_two_towers_is_refused(document: Document) -> None:
    with pytest.raises(CheckpointError, match="is a CoCa, which is not supported"):
        read_open_clip_config(document(multimodal_cfg={"width": 64}))
    with pytest.raises(CheckpointError, match="has no 'model_cfg'"):
        read_open_clip_config({"preprocess_cfg": {}})


def test_the_configuration_tells_what_the_weights_do_not(document: Document) -> None:
    text = {"pool_type": "eos", "eos_id": 7, "norm_kwargs": {"eps": 1e-6}}
    config = read_open_clip_config(document({"head_width": 32}, text, quick_gelu=True))
    assert config.image is not None
    assert (config.image.heads, config.image.activation) == (4, "quick_gelu")
    assert (config.text.heads, config.text.epsilon, config.end_id) == (2, 1e-6, 7)
    assert (config.family.text.attention_mask, config.family.text.pooling) == ("causal", "eos")


def test_a_silent_configuration_means_what_open_clip_does(document: Document) -> None:
    config = read_open_clip_config(document())
    assert config.end_id is None
    assert (config.text.activation, config.text.epsilon) == ("gelu", 1e-5)


def test_siglip_sees_all_and_is_pooled_last(siglip_document: dict[str, Any]) -> None:
    config = read_open_clip_config(siglip_document)
    assert config.image is None  # timm's model has it
    assert (config.family.text.attention_mask, config.family.text.pooling) == ("full", "last")
    assert config.text.activation == "gelu_tanh"
