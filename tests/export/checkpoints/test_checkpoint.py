"""Checkpoints as they are read: specs, end token, files, and refusals."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tokenizers
import transformers
from safetensors.torch import load_file, save_file

from twinlens.bundle.specs import ImageSpec, TextSpec
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.errors import CheckpointError


@pytest.fixture
def copied(folders: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of the smallest checkpoint, for tests that damage it."""
    return Path(shutil.copytree(folders("demo"), tmp_path / "copied"))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_specs_say_what_the_checkpoint_says(demo_shaped: Checkpoint) -> None:
    assert demo_shaped.name == "demo"
    assert demo_shaped.image_spec == ImageSpec(side_px=64)
    assert demo_shaped.text_spec == TextSpec(context=32, end_id=3071, pad_id=3071, trim=True)
    assert math.isclose(demo_shaped.native_scale, math.exp(2.6592), rel_tol=1e-6)


def test_the_end_token_is_found_in_modern_and_legacy_configurations(
    checkpoint_of: Callable[[str], Checkpoint],
) -> None:
    assert checkpoint_of("demo").text.end_id == 3071
    assert checkpoint_of("demo-gelu-legacy").text.end_id is None
    assert checkpoint_of("demo-gelu-legacy").text_spec.end_id == 3071


def test_a_tokenizer_of_two_files_becomes_one_that_agrees_with_transformers(
    folders: Callable[[str], Path], demo_shaped: Checkpoint
) -> None:
    theirs = transformers.AutoTokenizer.from_pretrained(folders("demo"))
    ours = tokenizers.Tokenizer.from_str(demo_shaped.files["tokenizer.json"])
    for text in ("a dog", "  Two   CATS!", "naïve café 東京 🙂", "it's 1999", ""):
        assert ours.encode(text).ids == theirs(text)["input_ids"]


def test_files_of_the_checkpoint_are_copied_as_they_are(copied: Path) -> None:
    text = (copied / "config.json").read_text() + "\n\n"
    (copied / "config.json").write_text(text)
    assert read_checkpoint(str(copied)).files["config.json"] == text


def test_the_hash_is_of_the_weights_alone(copied: Path, demo_shaped: Checkpoint) -> None:
    edit(copied / "config.json", comment="changed")
    assert read_checkpoint(str(copied)).sha256 == demo_shaped.sha256
    weights = load_file(copied / "model.safetensors")
    weights["logit_scale"] += 1
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    assert read_checkpoint(str(copied)).sha256 != demo_shaped.sha256


def test_an_unsupported_family_is_refused_by_name(copied: Path) -> None:
    edit(copied / "config.json", model_type="bert", architectures=["BertModel"])
    with pytest.raises(CheckpointError, match=r"is a .bert., which is not supported; .* OpenCLIP"):
        read_checkpoint(str(copied))


def test_an_unsupported_activation_is_refused_by_name(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    edit(copied / "config.json", text_config=config["text_config"] | {"hidden_act": "relu"})
    with pytest.raises(CheckpointError, match=r"activation is 'relu'.* quick_gelu, gelu, gelu_new"):
        read_checkpoint(str(copied))


def test_missing_weights_are_not_filled_with_noise(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks 1 weights .*text_projection\.weight"):
        read_checkpoint(str(copied))


def test_damaged_weights_are_an_error_with_a_cure(copied: Path) -> None:
    (copied / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match=r"no readable weights .*save_pretrained"):
        read_checkpoint(str(copied))


def test_a_checkpoint_without_preprocessor_is_an_error_with_a_cure(copied: Path) -> None:
    (copied / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no readable image processor .*save_pretrained"):
        read_checkpoint(str(copied))


def test_an_end_token_that_the_tokenizer_does_not_write_is_refused(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    edit(copied / "config.json", text_config=config["text_config"] | {"eos_token_id": 5})
    with pytest.raises(CheckpointError, match="with id 5, the tokenizer with 3071"):
        read_checkpoint(str(copied))


def test_a_hub_id_that_cannot_be_fetched_is_an_error_with_a_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match=r"nobody/nothing has no readable .*local folder"):
        read_checkpoint("nobody/nothing")
