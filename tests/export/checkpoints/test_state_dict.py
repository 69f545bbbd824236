"""The state dict, taken apart into towers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.checkpoints.families.open_clip import OPEN_CLIP
from twinlens_export.checkpoints.families.transformers import CLIP, SIGLIP
from twinlens_export.checkpoints.state_dict import StateDict, split_fused
from twinlens_export.errors import CheckpointError


def test_maps_that_lie_in_one_are_taken_apart_without_a_copy() -> None:
    whole = np.arange(18, dtype=np.float32).reshape(6, 3)
    name = "visual.transformer.resblocks.0.attn"
    apart = split_fused(
        {f"{name}.in_proj_weight": whole, "logit_scale": np.float32([1])}, OPEN_CLIP
    )
    assert set(apart) == {f"{name}.{letter}_proj.weight" for letter in "qkv"} | {"logit_scale"}
    np.testing.assert_array_equal(apart[f"{name}.k_proj.weight"], whole[2:4])
    assert np.shares_memory(apart[f"{name}.v_proj.weight"], whole)


def test_a_map_may_be_a_layer_or_a_bare_matrix_that_stands_right_of_the_rows() -> None:
    weight, bias = np.ones((2, 3), dtype=np.float32), np.zeros(2, dtype=np.float32)
    state = StateDict(family=CLIP, weights={"a.weight": weight, "a.bias": bias, "b": weight.T})
    assert state.linear("a").bias is bias
    assert state.linear("b").bias is None
    np.testing.assert_array_equal(state.linear("a").weight, state.linear("b").weight)
    assert state.optional_linear("c") is None


def test_a_weight_that_is_not_there_is_named() -> None:
    state = StateDict(family=SIGLIP, weights={})
    with pytest.raises(CheckpointError, match=r"no weight x\.weight; give a whole SiglipModel"):
        state.linear("x")


def test_a_tower_has_a_class_token_or_a_pool(
    family_checkpoint: Callable[[str], Checkpoint],
) -> None:
    clip, siglip = family_checkpoint("clip").image, family_checkpoint("siglip").image
    with pytest.raises(ValueError, match="a class token or a pool, and not both"):
        replace(clip, pool=siglip.pool)
    with pytest.raises(ValueError, match="a class token or a pool, and not both"):
        replace(siglip, pool=None)


def test_positions_must_be_those_of_the_patches(
    family_checkpoint: Callable[[str], Checkpoint],
) -> None:
    clip = family_checkpoint("clip").image
    with pytest.raises(ValueError, match="32 pixels has 17 tokens of 8, but there are 16"):
        replace(clip, position_embedding=clip.position_embedding[1:])
