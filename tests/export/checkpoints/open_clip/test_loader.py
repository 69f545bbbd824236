"""The loader of OpenCLIP checkpoints against references other than open_clip."""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray

from twinlens.bundle.specs import TextSpec
from twinlens.texts.tokenizer import Tokenizer
from twinlens_export.architecture import F32, PixelNormalization
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.checkpoints.open_clip.config import read_open_clip_config
from twinlens_export.checkpoints.open_clip.tokenizer import read_open_clip_tokenizer
from twinlens_export.checkpoints.state_dict import EncoderConfig, StateDict, split_fused
from twinlens_export.checkpoints.transformers_loader import TransformersModel
from twinlens_export.errors import CheckpointError
from twinlens_export.graph.graph import Graph
from twinlens_export.towers.tower_graphs import image_graph, text_graph
from twinlens_export.verification import reference_model

Array = NDArray[Any]
Embed = Callable[[Array], Array]
Document = Callable[..., dict[str, Any]]

LEAST = 0.99999


# Weights, against transformers.


def fused_qkv(weights: Mapping[str, torch.Tensor], query: str) -> F32:
    """Concatenate the projections to queries, keys and values; `query` is the first one's name."""
    return np.concatenate(
        [weights[query.replace(".q_", f".{letter}_")].numpy() for letter in "qkv"]
    )


def renamed(name: str, names: Mapping[str, str]) -> str:
    for theirs, ours in names.items():
        name = name.replace(theirs, ours)
    return name


def as_open_clip(weights: Mapping[str, torch.Tensor]) -> dict[str, F32]:
    """Convert a state dict of transformers' CLIP to open_clip's."""
    names = {
        "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
        "text_model.final_layer_norm.": "ln_final.",
        "text_model.encoder.layers.": "transformer.resblocks.",
        "vision_model.embeddings.patch_embedding.": "visual.conv1.",
        "vision_model.embeddings.class_embedding": "visual.class_embedding",
        "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
        "vision_model.pre_layrnorm.": "visual.ln_pre.",
        "vision_model.post_layernorm.": "visual.ln_post.",
        "vision_model.encoder.layers.": "visual.transformer.resblocks.",
        ".layer_norm": ".ln_",
        ".self_attn.q_proj.": ".attn.in_proj_",
        ".self_attn.out_proj.": ".attn.out_proj.",
        ".mlp.fc1.": ".mlp.c_fc.",
        ".mlp.fc2.": ".mlp.c_proj.",
    }
    converted: dict[str, F32] = {}
    for name, tensor in weights.items():
        if ".k_proj." in name or ".v_proj." in name:
            continue
        array = fused_qkv(weights, name) if ".q_proj." in name else tensor.numpy()
        converted[renamed(name, names)] = array
    converted["visual.proj"] = converted.pop("visual_projection.weight").T
    converted["text_projection"] = converted.pop("text_projection.weight").T
    return converted


def test_weights_of_openclip_are_the_same_towers(
    family_folder: Callable[[str], Path],
    family_checkpoint: Callable[[str], Checkpoint],
    opened: Callable[[Graph], Embed],
    pixels_of: Callable[[Checkpoint], Array],
    document: Document,
) -> None:
    clip = family_checkpoint("clip")
    model = transformers.CLIPModel.from_pretrained(family_folder("clip"))
    image = {"width": 160, "head_width": 80}
    config = read_open_clip_config(document(image, {"heads": 1, "vocab_size": 514}))
    weights = as_open_clip(model.state_dict())
    state = StateDict(family=config.family, weights=split_fused(weights, config.family))
    halves = PixelNormalization(factor=1 / 255, mean=(0.5,) * 3, std=(0.5,) * 3)
    tower = state.image_tower(config.image, side_px=32, normalization=halves)
    images = pixels_of(clip)
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1
    plain = TransformersModel(model=model, masked=None)
    with torch.inference_mode():
        wanted = torch.nn.functional.normalize(plain.image_features(inputs), dim=-1).numpy()
    assert (opened(image_graph(tower))(images) * wanted).sum(axis=1).min() > LEAST
    texts = state.text_tower(config.text, pad_id=0, end_id=config.end_id)
    ids = np.array([[512, 5, 9, 513, 0, 0], [512, 8, 8, 8, 8, 513]])
    rows = reference_model.text_rows(clip, ids)
    assert (opened(text_graph(texts))(ids) * rows).sum(axis=1).min() > LEAST


def as_timm(weights: Mapping[str, torch.Tensor]) -> dict[str, F32]:
    """Convert the image tower in a state dict of transformers' SigLIP to timm's."""
    names = {
        "vision_model.embeddings.patch_embedding.": "patch_embed.proj.",
        "vision_model.embeddings.position_embedding.weight": "pos_embed",
        "vision_model.encoder.layers.": "blocks.",
        "vision_model.post_layernorm.": "norm.",
        "vision_model.head.layernorm.": "attn_pool.norm.",
        "vision_model.head.mlp.": "attn_pool.mlp.",
        "vision_model.head.attention.out_proj.": "attn_pool.proj.",
        "vision_model.head.probe": "attn_pool.latent",
        ".layer_norm": ".norm",
        ".self_attn.q_proj.": ".attn.qkv.",
        ".self_attn.out_proj.": ".attn.proj.",
    }
    converted: dict[str, F32] = {}
    for name, tensor in weights.items():
        if not name.startswith("vision_model") or ".k_proj." in name or ".v_proj." in name:
            continue
        array = fused_qkv(weights, name) if ".q_proj." in name else tensor.numpy()
        converted[f"visual.trunk.{renamed(name, names)}"] = array
    for kind in ("weight", "bias"):
        whole = converted.pop(f"visual.trunk.vision_model.head.attention.in_proj_{kind}")
        query, key_value = np.split(whole, [len(whole) // 3])
        converted[f"visual.trunk.attn_pool.q.{kind}"] = query
        converted[f"visual.trunk.attn_pool.kv.{kind}"] = key_value
    converted["visual.trunk.pos_embed"] = converted["visual.trunk.pos_embed"][None]
    return converted


def test_weights_of_timms_siglip_are_the_same_tower(
    family_folder: Callable[[str], Path],
    family_checkpoint: Callable[[str], Checkpoint],
    opened: Callable[[Graph], Embed],
    pixels_of: Callable[[Checkpoint], Array],
    siglip_document: dict[str, Any],
) -> None:
    siglip = family_checkpoint("siglip")
    model = transformers.SiglipModel.from_pretrained(family_folder("siglip"))
    family = read_open_clip_config(siglip_document).family
    state = StateDict(family=family, weights=split_fused(as_timm(model.state_dict()), family))
    config = EncoderConfig(layers=2, heads=2, activation="gelu_tanh", epsilon=1e-6)
    tower = state.image_tower(config, side_px=30, normalization=siglip.image.normalization)
    images = pixels_of(siglip)
    rows = opened(image_graph(tower))(images)
    assert (rows * reference_model.image_rows(siglip, images)).sum(axis=1).min() > LEAST


# The tokenizer, against tokenizers.


def test_its_byte_pairs_are_those_that_transformers_reads(
    clip_tokenizer: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    model = json.loads(clip_tokenizer.to_str())["model"]
    theirs = SimpleNamespace(
        encoder=model["vocab"],
        decoder={number: token for token, number in model["vocab"].items()},
        bpe_ranks={tuple(pair): rank for rank, pair in enumerate(model["merges"])},
        sot_token_id=model["vocab"]["<|startoftext|>"],
        eot_token_id=model["vocab"]["<|endoftext|>"],
        context_length=77,
    )
    loaded = read_open_clip_tokenizer(theirs, context=16, trim=True, options={})
    assert loaded.spec == TextSpec(
        context=16, end_id=theirs.eot_token_id, pad_id=0, trim=True, clean="openai"
    )
    (tmp_path / "tokenizer.json").write_text(loaded.json, encoding="utf-8")
    ours = Tokenizer(tmp_path / "tokenizer.json", loaded.spec)
    clip_tokenizer.enable_truncation(16)
    for text in ("a dog in the rain", "it's 1999, isn't it?", "DO AND THING " * 9, ""):
        assert ours.encode_ragged([text]) == [clip_tokenizer.encode(text).ids]


@pytest.mark.parametrize("options", [{"reduction_mask": "syntax"}, {"clean": "other"}])
def test_what_its_words_do_and_the_runtime_cannot_is_refused(options: dict[str, str]) -> None:
    theirs = SimpleNamespace(bpe_ranks={})
    with pytest.raises(CheckpointError, match=r"tokenizer_kwargs has .*clean = lower or"):
        read_open_clip_tokenizer(theirs, context=16, trim=True, options=options)


# The folder.


def test_a_folder_of_both_is_read_as_that_of_transformers(
    family_folder: Callable[[str], Path], tmp_path: Path, document: Document
) -> None:
    folder = Path(shutil.copytree(family_folder("clip"), tmp_path / "both"))
    (folder / "open_clip_config.json").write_text(json.dumps(document()))
    assert read_checkpoint(str(folder)).family.name == "clip"


def test_without_open_clip_the_error_names_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: Document
) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    (tmp_path / "open_clip_config.json").write_text(json.dumps(document()))
    with pytest.raises(CheckpointError, match="pip install open_clip_torch"):
        read_checkpoint(str(tmp_path))


def test_a_folder_without_weights_is_an_error_with_a_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: Document
) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", SimpleNamespace())
    (tmp_path / "open_clip_config.json").write_text(json.dumps(document()))
    with pytest.raises(CheckpointError, match=r"has none of open_clip_model\.safetensors, .*whole"):
        read_checkpoint(str(tmp_path))
