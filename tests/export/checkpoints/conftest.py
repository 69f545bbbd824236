"""Tiny checkpoints of every family, a Hub without a network, and OpenCLIP configurations."""

import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from tiny_checkpoints import MAKERS, save_tiny_checkpoint

from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint

NOTHING: Mapping[str, Any] = MappingProxyType({})


@pytest.fixture(scope="session")
def family_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a family's checkpoint; saved once."""

    def save_checkpoint(name: str) -> Path:
        folder = tmp_path_factory.mktemp("families") / name
        folder.mkdir()
        save_tiny_checkpoint(name, folder)
        return folder

    return cache(save_checkpoint)


@pytest.fixture(scope="session")
def family_checkpoint(family_folder: Callable[[str], Path]) -> Callable[[str], Checkpoint]:
    """Return a family's checkpoint; read once."""
    return cache(lambda name: read_checkpoint(str(family_folder(name))))


@pytest.fixture(scope="session", params=sorted(MAKERS))
def family(request: pytest.FixtureRequest) -> str:
    """Every family in turn."""
    return str(request.param)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], str]:
    """Put a folder into the cache of the Hub's client, without access to the network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    # transformers 4 has a name of its own for the same folder.
    monkeypatch.setattr("transformers.utils.hub.TRANSFORMERS_CACHE", str(tmp_path), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def put(folder: Path, name: str) -> str:
        place = tmp_path / f"models--{name.replace('/', '--')}"
        (place / "refs").mkdir(parents=True)
        (place / "refs" / "main").write_text("0" * 40)
        shutil.copytree(folder, place / "snapshots" / ("0" * 40))
        return name

    return put


@pytest.fixture(scope="session")
def document() -> Callable[..., dict[str, Any]]:
    """Return an open_clip_config.json of a small model, its towers and the rest changed at will."""
    image_defaults = {"image_size": 32, "layers": 2, "width": 128, "patch_size": 8}
    text_defaults = {
        "context_length": 16,
        "vocab_size": 49408,
        "width": 64,
        "heads": 2,
        "layers": 2,
    }

    def make(
        image: Mapping[str, Any] = NOTHING, text: Mapping[str, Any] = NOTHING, **model: object
    ) -> dict[str, Any]:
        towers = {
            "vision_cfg": image_defaults | dict(image),
            "text_cfg": text_defaults | dict(text),
        }
        return {
            "model_cfg": {"embed_dim": 48, **towers, **model},
            "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3},
        }

    return make


@pytest.fixture(scope="session")
def siglip_document(document: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """An open_clip_config.json of a small SigLIP."""
    image = {
        "timm_model_name": "vit_small_siglip_32",
        "timm_pool": "map",
        "timm_proj": "none",
    }
    text = {
        "no_causal_mask": True,
        "pool_type": "last",
        "proj_bias": True,
        "norm_kwargs": {"eps": 1e-6},
        "act_kwargs": {"approximate": "tanh"},
        "hf_tokenizer_name": "anyone/anything",
        "tokenizer_kwargs": {"clean": "canonicalize"},
    }
    return document(image, text, custom_text=True, init_logit_bias=-10, embed_dim=128)
