"""Folders that lack the weights which are looked for: one line that tells their content."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
import transformers
from safetensors.torch import load_file

from twinlens_export.checkpoints.checkpoint import read_checkpoint
from twinlens_export.checkpoints.diagnosis import reason_of
from twinlens_export.errors import CheckpointError

BUNDLE = Path(__file__).parents[3] / "runtime/twinlens/demo/bundle"


@pytest.fixture
def copied(family_folder: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of a tiny CLIP, for tests that change it."""
    return Path(shutil.copytree(family_folder("clip"), tmp_path / "copied"))


def refusal(checkpoint: Path | str) -> str:
    """Return the message of the refusal, one line."""
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(str(checkpoint))
    assert str(error.value).isprintable()
    return str(error.value)


def test_a_bundle_is_told_from_a_checkpoint() -> None:
    assert "is a bundle already, which twinlens-export wrote; give the" in refusal(BUNDLE)


def test_a_part_of_the_weights_that_is_not_there_is_named(copied: Path) -> None:
    model = transformers.CLIPModel.from_pretrained(copied)
    (copied / "model.safetensors").unlink()
    model.save_pretrained(copied, max_shard_size="500KB")
    parts = sorted(copied.glob("model-*.safetensors"))
    parts[1].unlink()
    said = refusal(copied)
    assert f"1 of the {len(parts)} files in model.safetensors.index.json are not there" in said
    assert f"such as {parts[1].name}; fetch them" in said


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("best.pt", "this folder has best.pt: load it into the model by load_state_dict"),
        ("tf_model.h5", "its weights are tf_model.h5, in a format of another library"),
        ("onnx/model.onnx", "its weights are onnx/model.onnx, in a format of another library"),
    ],
)
def test_weights_under_another_name_are_named(name: str, message: str, copied: Path) -> None:
    (copied / name).parent.mkdir(exist_ok=True)
    (copied / "model.safetensors").rename(copied / name)
    assert message in refusal(copied)


def test_weights_without_a_configuration_are_named(copied: Path) -> None:
    torch.save({"model": load_file(copied / "model.safetensors")}, copied / "best.pt")
    for path in copied.iterdir():
        if path.name != "best.pt":
            path.unlink()
    assert "has no config.json; give the file of weights in it, best.pt, or" in refusal(copied)
    assert "has the names of transformers' models, and no conf" in refusal(copied / "best.pt")
    (copied / "best.pt").unlink()
    assert "has no config.json; give a folder with one" in refusal(copied)


@pytest.fixture
def snapshot(copied: Path) -> Path:
    """A snapshot in the cache of the Hub's client, whose files are links."""
    repository = copied.parent / "models--someone--clip-cats"
    folder = repository / "snapshots" / ("a" * 40)
    folder.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for number, path in enumerate(sorted(copied.iterdir())):
        path.rename(repository / "blobs" / f"{number}")
        (folder / path.name).symlink_to(os.path.relpath(repository / "blobs" / f"{number}", folder))
    return folder


def test_a_snapshot_of_the_hubs_cache_has_the_name_of_its_model(snapshot: Path) -> None:
    assert read_checkpoint(str(snapshot)).name == "someone/clip-cats"
    assert "it is the cache of someone/clip-cats on the Hub; give" in refusal(snapshot.parents[1])


def test_a_link_to_nothing_is_named(snapshot: Path) -> None:
    (snapshot / "model.safetensors").resolve().unlink()
    assert "model.safetensors is a link to a file that is not there" in refusal(snapshot)


def test_the_two_files_of_an_adapter_beside_a_model_are_refused(copied: Path) -> None:
    (copied / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    said = refusal(copied)
    assert "holds a model and an adapter beside it, and does not say which is meant; for" in said
    assert "base_model_name_or_path names this one" in said


def test_a_folder_of_openclip_with_weights_of_another_name_names_them(
    tmp_path: Path, document: Callable[..., dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", ModuleType("open_clip"))
    (tmp_path / "open_clip_config.json").write_text(json.dumps(document()))
    assert "open_clip_pytorch_model.bin; give a whole folder, with" in refusal(tmp_path)
    torch.save({}, tmp_path / "epoch_3.pt")
    assert "give the file of weights in it, epoch_3.pt" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ViT-B-32", "a Hub id is OWNER/NAME; for a name of OpenCLIP's registry give the id of"),
        ("https://hub.test/openai/clip", "give the Hub id, the OWNER/NAME at its end"),
        ("hf-hub:nobody/nothing", "nobody/nothing has no readable"),
    ],
)
def test_other_names_of_a_model_are_answered_with_its_hub_id(
    name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert message in refusal(name)


def test_the_reason_behind_a_heading_of_torch_is_told() -> None:
    model, heading = torch.nn.Linear(2, 3), "Error(s) in loading state_dict for Linear:"
    with pytest.raises(RuntimeError) as error:
        model.load_state_dict({"weight": torch.zeros(9, 9), "bias": torch.zeros(3)})
    assert str(error.value).startswith(heading)
    assert reason_of(error.value).startswith("size mismatch for weight")
