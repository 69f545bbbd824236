"""Checkpoints that are not whole and plain are refused in one line with its cure, or exported."""

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from twinlens_export.checkpoints.checkpoint import read_checkpoint
from twinlens_export.checkpoints.diagnosis import reason_of
from twinlens_export.checkpoints.kinds import recognition as reading
from twinlens_export.errors import CheckpointError


@pytest.fixture
def copied(family_folder: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of a tiny CLIP, for tests that change it."""
    return Path(shutil.copytree(family_folder("clip"), tmp_path / "copied"))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def save(weights: dict[str, torch.Tensor], folder: Path) -> None:
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def refusal(checkpoint: Path | str) -> str:
    """Return the message of the refusal, one line."""
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(str(checkpoint))
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["visual_projection.weight", "text_model.final_layer_norm.bias"])
def test_weights_that_are_not_finite_are_refused_by_name(
    name: str, value: float, copied: Path
) -> None:
    weights = load_file(copied / "model.safetensors")
    weights[name].view(-1)[3] = value
    save(weights, copied)
    assert f"NaN or infinity among its weights {name}; give one saved before" in refusal(copied)


def test_a_scale_without_a_finite_exponential_is_refused(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    weights["logit_scale"].fill_(1000)
    save(weights, copied)
    assert "logit_scale is 1000.0, whose exponential is not finite" in refusal(copied)


@pytest.mark.parametrize("part", ["", "text_config", "vision_config"])
@pytest.mark.parametrize("method", ["bitsandbytes", "gptq", "a method of tomorrow"])
def test_quantised_weights_are_refused(method: str, part: str, copied: Path) -> None:
    setting = {"quantization_config": {"quant_method": method, "load_in_8bit": True}}
    document = json.loads((copied / "config.json").read_text())
    edit(copied / "config.json", **({part: document[part] | setting} if part else setting))
    assert f"are quantised ({method}); give the checkpoint in floats" in refusal(copied)


@pytest.mark.parametrize("channels", [1, 4])
def test_channels_other_than_three_are_refused(channels: int, copied: Path) -> None:
    document = json.loads((copied / "config.json").read_text())
    document["vision_config"]["num_channels"] = channels
    transformers.CLIPModel(transformers.CLIPConfig(**document)).save_pretrained(copied)
    assert f"takes {channels} channels, wanted 3 (red, green, blue)" in refusal(copied)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_pointer_of_git_lfs_is_named(name: str, copied: Path) -> None:
    (copied / name).write_text("version https://git-lfs.github.com/spec/v1\nsize 9\n")
    said = refusal(copied)
    assert name in said
    assert "git lfs pull" in said


def test_a_pointer_that_is_not_read_is_no_hindrance(copied: Path) -> None:
    (copied / "flax_model.msgpack").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert read_checkpoint(str(copied)).family.name == "clip"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_in_place_of_its_folder_is_refused(name: str, copied: Path) -> None:
    assert "is a file of a checkpoint; give its folder, " in refusal(copied / name)


def test_the_last_of_the_folders_inside_is_named(copied: Path) -> None:
    outer = copied.parent / "outer"
    outer.mkdir()
    copied.rename(outer / "checkpoint-500")
    shutil.copytree(outer / "checkpoint-500", outer / "checkpoint-1500")
    assert "give its folder checkpoint-1500, which has one, as have 1 more" in refusal(outer)


def test_an_adapter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "adapter of PEFT" in refusal(tmp_path)


def test_custom_code_is_refused_without_a_question(copied: Path) -> None:
    edit(copied / "config.json", model_type="jina_clip", auto_map={"AutoConfig": "a.B"})
    assert "is a 'jina_clip' of custom code, which is never run; give" in refusal(copied)


def test_a_folder_that_is_not_there_is_called_so() -> None:
    assert "there is no such folder; check the path" in refusal("./no/such/folder")


def test_a_pickle_of_other_objects_is_refused_with_the_cure(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    torch.save({**weights, "args": argparse.Namespace(a=1)}, copied / "pytorch_model.bin")
    assert "save model.state_dict() alone, as safetensors" in refusal(copied)


def test_a_torchvision_that_does_not_fit_is_named(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        cause = RuntimeError("operator torchvision::nms does not exist")
        raise ModuleNotFoundError("Could not import module 'AutoImageProcessor'.") from cause

    monkeypatch.setattr(transformers.AutoImageProcessor, "from_pretrained", fail)
    said = refusal(copied)
    assert "(operator torchvision::nms does not exist); install the torchvision made for" in said


def test_a_folder_of_both_without_weights_of_transformers_is_read_as_openclips(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copied / "open_clip_config.json").write_text('{"model_cfg": {}}')

    def chosen(_: str) -> None:
        raise CheckpointError("open_clip's")

    monkeypatch.setattr(reading, "load_open_clip", chosen)
    assert read_checkpoint(str(copied)).family.name == "clip"
    edit(copied / "config.json", auto_map={"AutoModel": "a.B"})
    assert refusal(copied) == "open_clip's"
    document = json.loads((copied / "config.json").read_text())
    del document["auto_map"]
    (copied / "config.json").write_text(json.dumps(document))
    (copied / "model.safetensors").unlink()
    assert refusal(copied) == "open_clip's"


def test_a_reason_is_one_short_line() -> None:
    assert len(reason_of(ValueError("x" * 1000 + "\x1b[1m\n" * 10))) <= 80
    assert reason_of(KeyError()) == "KeyError"
