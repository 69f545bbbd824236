"""The files that other tools read beside the towers: AutoTokenizer and AutoImageProcessor first."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer

from twinlens.bundle.specs import ImageSpec
from twinlens.images.load import load
from twinlens.texts.tokenizer import Tokenizer
from twinlens_export.architecture import PixelNormalization
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.checkpoints.licence import licence_of
from twinlens_export.portable.model_files import with_model_files
from twinlens_export.portable.tokenizer_files import CLEANING, with_tokenizer_files
from twinlens_export.portable.tool_ids import first_difference, keep_right_files
from twinlens_export.verification.odd_texts import ODD_TEXTS, texts_with

MORE = ("ΟΔΟΣ ΣΑΣ Σ ΟΔΟΣ.", "a_b __ c \u2581 d", "x" * 3000, "[red] box", "a!b?c.d,e;f:g")


def written(checkpoint: Checkpoint, folder: Path) -> tuple[Checkpoint, Tokenizer]:
    """Write a checkpoint's files as an export does; return it with them, and its tokenizer."""
    whole = with_tokenizer_files(with_model_files(checkpoint))
    for name, text in whole.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return whole, Tokenizer(folder / whole.text_spec.tokenizer, whole.text_spec)


def test_autotokenizer_gives_the_ids_of_the_runtime(
    family: str, family_checkpoint: Callable[[str], Checkpoint], tmp_path: Path
) -> None:
    checkpoint, tokenizer = written(family_checkpoint(family), tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    texts = [*ODD_TEXTS, *MORE, *texts_with(["dog", "two words"])]
    assert theirs.pad_token_id == checkpoint.text_spec.pad_id
    spec = checkpoint.text_spec
    padded = theirs(texts, padding="max_length", truncation=True, return_tensors="np")
    ours = replace(spec, trim=False)
    wanted = Tokenizer(tmp_path / spec.tokenizer, ours).encode(texts)
    np.testing.assert_array_equal(padded["input_ids"], wanted)
    assert first_difference(checkpoint, tmp_path, tokenizer, texts) is None


@pytest.mark.parametrize("clean", sorted(set(CLEANING) - {"none"}))
def test_texts_are_cleaned_as_the_runtime_cleans_them(
    clean: str, family_checkpoint: Callable[[str], Checkpoint], tmp_path: Path
) -> None:
    """Repairs of ftfy apart that no normalizer can make: of mojibake, of full-width letters."""
    one = family_checkpoint("siglip2")
    spec = replace(one.text_spec, clean=clean)  # type: ignore[arg-type]
    checkpoint, tokenizer = written(replace(one, text_spec=spec), tmp_path)
    texts = [*ODD_TEXTS, *MORE]
    assert first_difference(checkpoint, tmp_path, tokenizer, texts) is None
    mended = [
        "it\u2019s \u201ccurly\u201d",
        "cafe\u0301",
        "fish &amp; chips &lt;3",
        "\ufb01ne\ufeff",
    ]
    theirs = AutoTokenizer.from_pretrained(tmp_path)(mended, truncation=True)["input_ids"]
    assert theirs == tokenizer.encode_ragged(mended)
    changed = replace(checkpoint, text_spec=replace(checkpoint.text_spec, clean="none"))
    (tmp_path / "tokenizer.json").write_text(one.tokenizer.json)
    assert first_difference(changed, tmp_path, tokenizer, texts) is not None


def test_special_tokens_end_no_text_of_the_runtime(
    family_checkpoint: Callable[[str], Checkpoint], tmp_path: Path
) -> None:
    """Of a unigram model other tools read the pieces by name, so the runtime has its own file."""
    checkpoint, tokenizer = written(family_checkpoint("metaclip_2"), tmp_path)
    assert checkpoint.text_spec.tokenizer == "runtime_tokenizer.json"
    end = checkpoint.text_spec.end_id
    (ours,) = tokenizer.encode_ragged(["a </s> b"])
    theirs = AutoTokenizer.from_pretrained(tmp_path)("a </s> b")["input_ids"]
    assert ours.count(end) == 1 < theirs.count(end)


@pytest.mark.parametrize("clean", sorted(CLEANING))
def test_the_spaces_beside_an_added_token_are_those_of_the_tokenizer(
    clean: str, family_checkpoint: Callable[[str], Checkpoint], tmp_path: Path
) -> None:
    """NLLB has its language codes as such tokens; a cleaning that strips would strip each part."""
    one = family_checkpoint("siglip2")
    document = json.loads(one.tokenizer.json)
    id_ = len(document["model"]["vocab"])
    document["added_tokens"].append(
        dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        | {"id": id_, "content": "newest"}
    )
    added = replace(one.tokenizer, json=json.dumps(document), added=("newest",))
    spec = replace(one.text_spec, clean=clean)  # type: ignore[arg-type]
    (tmp_path / "own.json").write_text(added.json)
    wanted = Tokenizer(tmp_path / "own.json", spec)
    _, tokenizer = written(replace(one, tokenizer=added, text_spec=spec), tmp_path)
    for text in texts_with(["newest"]):
        (ids,) = tokenizer.encode_ragged([text])
        assert id_ in ids
        assert [ids] == wanted.encode_ragged([text])


def test_files_that_give_other_ids_are_not_kept(
    family_checkpoint: Callable[[str], Checkpoint],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    checkpoint, tokenizer = written(family_checkpoint("clip"), tmp_path)
    keep_right_files(checkpoint, tmp_path, tokenizer, ["a dog"])
    assert (tmp_path / "tokenizer_config.json").exists()
    assert not caplog.messages
    document = json.loads((tmp_path / "tokenizer.json").read_text())
    document["normalizer"] = None
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    keep_right_files(checkpoint, tmp_path, tokenizer, ["a dog"])
    assert not (tmp_path / "tokenizer_config.json").exists()
    assert not (tmp_path / "special_tokens_map.json").exists()
    assert "AutoTokenizer would read the text" in caplog.text
    written(checkpoint, tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    keep_right_files(checkpoint, tmp_path, tokenizer, ["a dog"])
    assert not (tmp_path / "tokenizer_config.json").exists()
    assert "AutoTokenizer cannot read it" in caplog.text


@pytest.mark.parametrize("resize", ["shortest_edge", "squash"])
def test_autoimageprocessor_gives_the_pixels_of_openclip(
    resize: str,
    photos: list[Image.Image],
    family_checkpoint: Callable[[str], Checkpoint],
    tmp_path: Path,
) -> None:
    """OpenCLIP has no configuration of transformers, so the export makes one."""
    one = family_checkpoint("clip")
    known = PixelNormalization(factor=1 / 255, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    spec = ImageSpec(side_px=32, resize=resize, interpolation="bilinear", crop="round")  # type: ignore[arg-type]
    image = replace(one.image, normalization=known)
    written(replace(one, image=image, image_spec=spec, files={}), tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).model_type == "clip"
    processor = AutoImageProcessor.from_pretrained(tmp_path)
    even = [photo.crop((0, 0, 200, 200)) for photo in photos]
    for photo in even:
        levels = load(photo, spec).astype(np.float32)
        wanted = (levels / 255 - np.float32(known.mean)) / np.float32(known.std)
        pixels = np.asarray(processor(photo, return_tensors="np")["pixel_values"][0])
        # Two levels of 255: the tolerance of the exporter itself.
        np.testing.assert_allclose(pixels.transpose(1, 2, 0), wanted, atol=2.1 / 255 / 0.4)


def test_a_picture_that_is_padded_has_no_processor_of_transformers(
    family_checkpoint: Callable[[str], Checkpoint],
) -> None:
    one = family_checkpoint("clip")
    padded = replace(one, image_spec=replace(one.image_spec, resize="pad"), files={})
    assert set(with_model_files(padded).files) == {"config.json"}


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\ntags:\n- x\n---\n# A model\n", "mit"),
        ("---\nlicense: other\nlicense_name: 'apple-amlr'\n---\n", "apple-amlr"),
        ("---\ntags: [a]\n---\nlicense: gpl\n", None),
        ("license: mit\n", None),
        (None, None),
    ],
)
def test_the_licence_is_that_of_the_model_card(
    card: str | None, licence: str | None, tmp_path: Path
) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert licence_of(str(tmp_path)) == licence
