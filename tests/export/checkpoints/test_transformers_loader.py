"""The loader of transformers' checkpoints: formats of weights, the Hub, and untrusted pickles."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from pickle_trap import SPRUNG, Trap
from safetensors.torch import load_file

from twinlens.texts.tokenizer import Tokenizer
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.errors import CheckpointError


@pytest.fixture
def copied(family_folder: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of a tiny checkpoint, for tests that replace its files."""
    return Path(shutil.copytree(family_folder("siglip2"), tmp_path / "copied"))


def test_weights_in_several_files_are_the_same_checkpoint(
    copied: Path, family_checkpoint: Callable[[str], Checkpoint]
) -> None:
    model = transformers.SiglipModel.from_pretrained(copied)
    (copied / "model.safetensors").unlink()
    model.save_pretrained(copied, max_shard_size="500KB")
    assert len(list(copied.glob("model-*.safetensors"))) > 1
    assert read_checkpoint(str(copied)).sha256 == family_checkpoint("siglip2").sha256


def test_a_pickle_of_weights_is_the_same_checkpoint(
    copied: Path, family_checkpoint: Callable[[str], Checkpoint]
) -> None:
    weights = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    torch.save(weights, copied / "pytorch_model.bin")
    assert read_checkpoint(str(copied)).sha256 == family_checkpoint("siglip2").sha256


def test_a_pickle_that_would_run_is_refused(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied)
    (copied / "model.safetensors").unlink()
    torch.save({"logit_scale": Trap()}, copied / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="no readable weights"):
        read_checkpoint(str(copied))
    assert not (copied / SPRUNG).exists()


def test_of_two_formats_the_one_that_cannot_run_is_read(
    copied: Path, family_checkpoint: Callable[[str], Checkpoint]
) -> None:
    torch.save({"logit_scale": Trap()}, copied / "pytorch_model.bin")
    assert read_checkpoint(str(copied)).sha256 == family_checkpoint("siglip2").sha256


def test_half_precision_weights_are_read_in_float32(
    copied: Path, family_checkpoint: Callable[[str], Checkpoint]
) -> None:
    model = transformers.SiglipModel.from_pretrained(copied, dtype=torch.bfloat16)
    model.save_pretrained(copied)
    read = read_checkpoint(str(copied))
    assert read.image.position_embedding.dtype == "float32"
    wanted = family_checkpoint("siglip2").image.position_embedding
    assert abs(read.image.position_embedding - wanted).max() < 0.01


@pytest.mark.parametrize("kind", ["flava", "align", "vit"])
def test_other_families_are_refused_by_name(copied: Path, kind: str) -> None:
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"model_type": kind}))
    message = (
        rf"is a '{kind}', .* clip or metaclip_2 or siglip or chinese_clip or altclip or siglip2 or "
        "aimv2 or blip or .*, or an OpenCLIP"
    )
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(str(copied))


def test_a_place_that_is_none_is_an_error_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no readable configuration .*a local folder"):
        read_checkpoint(str(tmp_path / "nowhere"))


def test_a_configuration_that_is_no_object_is_refused(copied: Path) -> None:
    (copied / "config.json").write_text("[]")
    with pytest.raises(CheckpointError, match=r"config\.json that is not a JSON object"):
        read_checkpoint(str(copied))


def test_what_was_fetched_from_the_hub_is_read_by_its_id(
    hub: Callable[[Path, str], str],
    family: str,
    family_folder: Callable[[str], Path],
    family_checkpoint: Callable[[str], Checkpoint],
) -> None:
    found = read_checkpoint(hub(family_folder(family), f"someone/{family}"))
    assert found.name == f"someone/{family}"
    assert found.sha256 == family_checkpoint(family).sha256
    assert found.text_spec == family_checkpoint(family).text_spec


def test_an_openclip_checkpoint_is_known_by_its_id_too(
    hub: Callable[[Path, str], str], tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text('{"model_cfg": {}}')
    with pytest.raises(CheckpointError, match=r"open_clip_config\.json has no 'vision_cfg'"):
        read_checkpoint(hub(folder, "someone/openclip"))


def test_siglip_2_sees_lower_case_although_its_tokenizer_on_the_hub_keeps_upper_case(
    copied: Path, family_checkpoint: Callable[[str], Checkpoint], tmp_path: Path
) -> None:
    path = copied / "tokenizer.json"
    document = json.loads(path.read_text())
    document["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    path.write_text(json.dumps(document))
    fields = json.loads((copied / "tokenizer_config.json").read_text())
    fields["tokenizer_class"] = "GemmaTokenizer"
    (copied / "tokenizer_config.json").write_text(json.dumps(fields))
    texts = ["A red car", "what IS it?", "一只狗"]
    ids = []
    for checkpoint in (read_checkpoint(str(copied)), family_checkpoint("siglip2")):
        (tmp_path / "tokenizer.json").write_text(checkpoint.files["tokenizer.json"])
        ids.append(Tokenizer(tmp_path / "tokenizer.json", checkpoint.text_spec).encode(texts))
    assert read_checkpoint(str(copied)).text_spec.clean == "lower"
    assert family_checkpoint("siglip2").text_spec.clean == "none"  # its own tokenizer lower-cases
    assert ids[0].tolist() == ids[1].tolist()
