"""The gate of token ids: equal to the checkpoint's own, or refused, or named."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from tiny_checkpoints import CORPUS, MAKERS, save_tiny_checkpoint
from tiny_tokenizers import siglip_tokenizer, word_tokenizer

import twinlens_export
from twinlens.texts.tokenizer import Tokenizer
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.checkpoints.hub_files import TOKENIZER
from twinlens_export.errors import AgreementError, CheckpointError
from twinlens_export.verification.samples import SampleFiles, sample_texts
from twinlens_export.verification.token_ids import NAMED, require_ids

TEXTS = sample_texts(SampleFiles())


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of tiny checkpoints of every family, and of SigLIP with byte fallback."""
    folders = {}
    for name in (*MAKERS, "siglip of bytes"):
        folder = folders[name] = tmp_path_factory.mktemp("families") / name
        folder.mkdir()
        save_tiny_checkpoint(name.split()[0], folder)
    bytes_ = folders["siglip of bytes"]
    siglip_tokenizer(bytes_, CORPUS, vocabulary=340, context=16, byte_fallback=True)
    shutil.copy(bytes_ / "spiece.model", bytes_ / "tokenizer.model")
    config = json.loads((bytes_ / "config.json").read_text())
    config["text_config"]["vocab_size"] = 400
    torch.manual_seed(0)
    transformers.SiglipModel(transformers.SiglipConfig(**config)).save_pretrained(bytes_)
    return folders


@pytest.fixture
def clip_folder(folder_of: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of a tiny CLIP, for tests that change its tokenizer."""
    return Path(shutil.copytree(folder_of["clip"], tmp_path / "clip"))


def tokenizer_of(checkpoint: Checkpoint, folder: Path) -> Tokenizer:
    (folder / TOKENIZER).write_text(checkpoint.files[TOKENIZER], encoding="utf-8")
    return Tokenizer(folder / TOKENIZER, checkpoint.text_spec)


@pytest.mark.parametrize("name", [*MAKERS, "siglip of bytes"])
def test_no_text_contains_a_special_token(
    name: str, folder_of: dict[str, Path], tmp_path: Path
) -> None:
    checkpoint = read_checkpoint(str(folder_of[name]))
    tokenizer = tokenizer_of(checkpoint, tmp_path)
    marks = checkpoint.tokenizer.marks
    own = transformers.AutoTokenizer.from_pretrained(folder_of[name])
    assert marks == {m: i for m, i in own.get_vocab().items() if m in own.all_special_tokens}
    special = {*marks.values()} - {own.unk_token_id}
    wanted = [id_ for id_ in tokenizer.encode_ragged([""])[0] if id_ in special]
    for mark in marks:
        for text in (mark, f"a{mark}b", f"a {mark} b", f" {mark}{mark}", f"a{mark} "):
            (ids,) = tokenizer.encode_ragged([text])
            assert [id_ for id_ in ids if id_ in special] == wanted, text


def test_a_mark_has_the_ids_of_its_letters(folder_of: dict[str, Path], tmp_path: Path) -> None:
    checkpoint = read_checkpoint(str(folder_of["metaclip_2"]))
    tokenizer = tokenizer_of(checkpoint, tmp_path)
    own = transformers.AutoTokenizer.from_pretrained(folder_of["metaclip_2"])
    # No letter of "+/s+" but the s is known either; it is no mark, so both read its letters.
    for mark, plain in (("</s>", "+/s+"), ("<s>", "+s+"), ("<mask>", "+mask+")):
        for text in ("a{}b", "{} a", "a b{}"):
            wanted = own(text.format(plain)).input_ids
            assert tokenizer.encode_ragged([text.format(mark)])[0] == wanted


def test_a_tokenizer_that_reads_its_own_end_is_refused(
    folder_of: dict[str, Path], tmp_path: Path
) -> None:
    checkpoint = read_checkpoint(str(folder_of["metaclip_2"]))
    own = transformers.AutoTokenizer.from_pretrained(folder_of["metaclip_2"])
    (tmp_path / TOKENIZER).write_text(own.backend_tokenizer.to_str(), encoding="utf-8")
    with pytest.raises(AgreementError, match="reads '</s>' inside a text as the special token 2"):
        require_ids(checkpoint, Tokenizer(tmp_path / TOKENIZER, checkpoint.text_spec), TEXTS)


@pytest.mark.parametrize("name", [*MAKERS, "siglip of bytes"])
def test_every_family_has_the_ids_of_its_own_tokenizer(
    name: str, folder_of: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = read_checkpoint(str(folder_of[name]))
    with caplog.at_level(logging.INFO, logger="twinlens_export"):
        require_ids(checkpoint, tokenizer_of(checkpoint, tmp_path), TEXTS)
    assert "special tokens inside a text" in caplog.text


def test_a_tokenizer_without_byte_fallback_is_refused(
    folder_of: dict[str, Path], tmp_path: Path
) -> None:
    checkpoint = read_checkpoint(str(folder_of["siglip of bytes"]))
    document = json.loads(checkpoint.files[TOKENIZER])
    assert document["model"]["byte_fallback"]
    document["model"]["byte_fallback"] = False
    broken = replace(checkpoint, files={TOKENIZER: json.dumps(document)})
    with pytest.raises(
        AgreementError, match=r"ids of the text .* are not those .*, wanted \["
    ) as e:
        require_ids(broken, tokenizer_of(broken, tmp_path), TEXTS)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("change", ["lower case", "another merge", "another cut"])
def test_any_other_difference_is_refused(
    change: str, folder_of: dict[str, Path], tmp_path: Path
) -> None:
    checkpoint = read_checkpoint(str(folder_of["clip"]))
    document = json.loads(checkpoint.files[TOKENIZER])
    if change == "lower case":
        document["normalizer"] = None
    elif change == "another merge":
        vocabulary = document["model"]["vocab"]
        vocabulary["d"], vocabulary["g"] = vocabulary["g"], vocabulary["d"]
    else:
        checkpoint = replace(checkpoint, text_spec=replace(checkpoint.text_spec, pad_id=7))
    broken = replace(checkpoint, files={TOKENIZER: json.dumps(document)})
    with pytest.raises(AgreementError, match="not those of the checkpoint's own tokenizer"):
        require_ids(broken, tokenizer_of(broken, tmp_path), TEXTS)


def test_each_difference_that_is_not_refused_has_a_reason() -> None:
    assert all(known.name and known.reason for known in NAMED)
    assert len({known.name for known in NAMED}) == len(NAMED)


@pytest.mark.parametrize("kind", ["special", "plain"])
def test_a_token_added_by_a_fine_tune_is_one_token(
    kind: str, clip_folder: Path, sample_files: SampleFiles, tmp_path: Path
) -> None:
    theirs = transformers.AutoTokenizer.from_pretrained(clip_folder)
    if kind == "special":
        theirs.add_special_tokens({"additional_special_tokens": ["<tumor>"]})
    else:
        theirs.add_tokens(["<tumor>"])
    theirs.save_pretrained(clip_folder)
    config = json.loads((clip_folder / "config.json").read_text())
    config["text_config"]["vocab_size"] = len(theirs)
    torch.manual_seed(0)
    transformers.CLIPModel(transformers.CLIPConfig(**config)).save_pretrained(clip_folder)
    bundle = twinlens_export.export(
        clip_folder, tmp_path / "out", precisions=["fp32"], samples=sample_files
    )
    ours = Tokenizer(bundle.folder / TOKENIZER, bundle.manifest.text)
    texts = ["a <tumor> x", "<tumor>", "a dog"]
    wanted = theirs(texts)["input_ids"]
    assert theirs.convert_tokens_to_ids("<tumor>") in wanted[0]
    assert ours.encode_ragged(texts) == wanted
    end = theirs.eos_token_id
    assert ours.encode_ragged(["a<|endoftext|>b"])[0].count(end) == 1


def test_a_token_without_a_row_in_the_embedding_is_refused(
    clip_folder: Path, sample_files: SampleFiles, tmp_path: Path
) -> None:
    theirs = transformers.AutoTokenizer.from_pretrained(clip_folder)
    theirs.add_tokens(["tumorx"])
    theirs.save_pretrained(clip_folder)
    with pytest.raises(AgreementError, match=r"'tumorx' the id 514, .* has 514 rows \(1 such"):
        twinlens_export.export(
            clip_folder, tmp_path / "out", precisions=["fp32"], samples=sample_files
        )
    assert not (tmp_path / "out").exists()


def test_the_tokenizer_of_another_checkpoint_is_refused(clip_folder: Path, tmp_path: Path) -> None:
    config = json.loads((clip_folder / "config.json").read_text())
    config["text_config"] |= {"vocab_size": 100, "eos_token_id": 2}
    transformers.CLIPModel(transformers.CLIPConfig(**config)).save_pretrained(clip_folder)
    with pytest.raises(AgreementError, match=r"the embedding of the text tower has 100 rows"):
        twinlens_export.export(clip_folder, tmp_path / "out", precisions=["fp32"])


NO_WORDS = r"has no (words, .* tokenizer\.save_pretrained|readable tokenizer .* save_pretrained)"
"""transformers 5 makes a tokenizer without words, 4 none."""


@pytest.mark.parametrize("end_id", [2, 513])
def test_a_checkpoint_without_a_tokenizer_is_refused(clip_folder: Path, end_id: int) -> None:
    # transformers 4 saves the words a second time, in vocab.json.
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"):
        (clip_folder / name).unlink(missing_ok=True)
    config = json.loads((clip_folder / "config.json").read_text())
    config["text_config"]["eos_token_id"] = end_id
    (clip_folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=NO_WORDS):
        read_checkpoint(str(clip_folder))


def test_a_tokenizer_that_knows_no_word_of_the_samples_is_refused(
    folder_of: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folder_of["chinese_clip"], tmp_path / "folder"))
    for path in folder.glob("token*"):
        path.unlink()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "z"]
    word_tokenizer(words, context=16).save_pretrained(folder)
    checkpoint = read_checkpoint(str(folder))
    texts = list("abcdefghijkl")
    with pytest.raises(AgreementError, match="12 different texts only 1 rows of ids"):
        require_ids(checkpoint, tokenizer_of(checkpoint, tmp_path), texts)


def test_a_tokenizer_that_fails_is_an_error_of_ours(
    folder_of: dict[str, Path], tmp_path: Path
) -> None:
    class Failing:
        def ids(self, *_: object) -> None:
            raise KeyError("x" * 1000)

    checkpoint = read_checkpoint(str(folder_of["clip"]))
    failing = replace(checkpoint, preparation=Failing())  # type: ignore[arg-type]
    with pytest.raises(AgreementError, match=r"own tokenizer fails .*xxx\.\.\.xxx") as error:
        require_ids(failing, tokenizer_of(checkpoint, tmp_path), TEXTS)
    assert len(str(error.value)) < 300
