"""Weights that do not fit their configuration: read without a wrapper's prefix, or refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.checkpoints.weights.fit import prefix_of
from twinlens_export.errors import CheckpointError

Weights = dict[str, torch.Tensor]
KEY = "vision_model.encoder.layers.0.mlp.fc1.weight"
TELLS_SIZES = int(transformers.__version__.split(".")[0]) > 4


@pytest.fixture
def copied(family_folder: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of a tiny CLIP, for tests that change it."""
    return Path(shutil.copytree(family_folder("clip"), tmp_path / "copied"))


def change(folder: Path, changed: Callable[[Weights], Weights]) -> None:
    weights = changed(load_file(folder / "model.safetensors"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def configure(folder: Path, part: str, **fields: object) -> None:
    document = json.loads((folder / "config.json").read_text())
    document[part] |= fields
    (folder / "config.json").write_text(json.dumps(document))


def refusal(folder: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(str(folder))
    return str(error.value)


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._orig_mod.", "model."])
def test_weights_under_a_prefix_are_the_same_checkpoint(
    prefix: str, copied: Path, family_checkpoint: Callable[[str], Checkpoint]
) -> None:
    beside = {"loss.weight": torch.ones(2)}
    change(copied, lambda weights: {prefix + name: t for name, t in weights.items()} | beside)
    found = read_checkpoint(str(copied))
    assert found.sha256 == family_checkpoint("clip").sha256
    assert found.native_scale == family_checkpoint("clip").native_scale


def test_a_prefix_is_that_of_all_missing_weights() -> None:
    assert prefix_of(["a.b", "c"], ["m.a.b", "m.c", "x"]) == "m."
    assert prefix_of(["a.b", "c"], ["m.a.b", "n.c"]) is None
    assert prefix_of(["a"], []) is None


@pytest.mark.parametrize(("part", "tower"), [("vision_config", "vision"), ("text_config", "text")])
def test_layers_that_the_configuration_does_not_count_are_not_dropped(
    part: str, tower: str, copied: Path
) -> None:
    configure(copied, part, num_hidden_layers=1)
    said = refusal(copied)
    assert "has weights of more layers than its config.json counts, such as " in said
    assert f"{tower}_model.encoder.layers.1." in said


def test_weights_of_another_size_are_refused_with_both_sizes(copied: Path) -> None:
    wide, high = load_file(copied / "model.safetensors")[KEY].shape
    configure(copied, "vision_config", intermediate_size=7)
    said = refusal(copied)
    assert "config.json of another size than its weights: vision_model.encoder.layers.0.m" in said
    change(copied, lambda weights: {n: w for n, w in weights.items() if "fc1.bias" not in n})
    sizes = f" is [{wide}, {high}], by the configuration [7, {high}]"
    assert f"fc1.weight{sizes if TELLS_SIZES else ''}; give the config.json" in refusal(copied)


def test_codes_of_a_quantisation_are_refused(copied: Path) -> None:
    name = KEY.removesuffix(".weight")
    change(copied, lambda weights: weights | {f"{name}.weight_scale": torch.ones(1)})
    assert f"are quantised: {name}.weight_scale is the scale of one; give" in refusal(copied)
    codes = torch.arange(-8, 8, dtype=torch.int8)

    def as_codes(weights: Weights) -> Weights:
        del weights[f"{name}.weight_scale"]
        shape = weights[KEY].shape
        return weights | {KEY: codes.repeat(shape.numel())[: shape.numel()].reshape(shape)}

    change(copied, as_codes)
    which = f"its weights {KEY}" if TELLS_SIZES else "weights"
    assert f"has integers in place of {which}: they are quantised" in refusal(copied)


def test_a_classifier_made_of_a_clip_is_called_so(copied: Path) -> None:
    config = transformers.CLIPConfig.from_pretrained(copied)
    transformers.CLIPForImageClassification(config).save_pretrained(copied)
    said = refusal(copied)
    assert "weights of a CLIPModel, such as " in said
    assert "it was saved as a CLIPForImageClassification; give a checkpoint" in said
