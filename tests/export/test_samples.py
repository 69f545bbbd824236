"""Reading samples."""

from pathlib import Path

import numpy as np
import pytest

from twinlens.texts import Tokenizer
from twinlens_export.checkpoint import TOKENIZER, Checkpoint
from twinlens_export.errors import ExportError
from twinlens_export.samples import SampleFiles, read_samples


@pytest.fixture
def tokenizer(demo_shaped: Checkpoint, tmp_path: Path) -> Tokenizer:
    path = tmp_path / TOKENIZER
    path.write_text(demo_shaped.files[TOKENIZER], encoding="utf-8")
    return Tokenizer(path, demo_shaped.text_spec)


def test_given_files_are_read_in_order(
    sample_files: SampleFiles, demo_shaped: Checkpoint, tokenizer: Tokenizer
) -> None:
    samples = read_samples(sample_files, demo_shaped, tokenizer)
    assert samples.images.shape == (18, 64, 64, 3)
    assert samples.images.dtype == np.uint8
    assert len(samples.texts) == 20
    assert samples.texts[0] == tuple(tokenizer.encode(["a dog"])[0])
    assert {len(text) for text in samples.full_texts} == {demo_shaped.text_spec.context}


def test_the_package_brings_its_own(demo_shaped: Checkpoint, tokenizer: Tokenizer) -> None:
    samples = read_samples(SampleFiles(), demo_shaped, tokenizer)
    assert len(samples.images) == len(samples.texts) >= 20


@pytest.mark.parametrize("part", ["images", "texts"])
def test_what_is_not_there_is_an_error_with_a_cure(
    part: str, sample_files: SampleFiles, demo_shaped: Checkpoint, tokenizer: Tokenizer
) -> None:
    parts = {"images": sample_files.images, "texts": sample_files.texts} | {part: Path("nowhere")}
    with pytest.raises(
        ExportError, match=r"samples cannot be read .*nowhere.*--images and --texts"
    ):
        read_samples(SampleFiles(**parts), demo_shaped, tokenizer)


def test_a_file_that_is_no_picture_is_named(
    sample_files: SampleFiles, demo_shaped: Checkpoint, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    files = SampleFiles(images=tmp_path, texts=sample_files.texts)
    with pytest.raises(ExportError, match=r"notes\.txt"):
        read_samples(files, demo_shaped, tokenizer)


def test_one_text_is_too_few(
    sample_files: SampleFiles, demo_shaped: Checkpoint, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    (tmp_path / "one.txt").write_text("a dog\n\n")
    files = SampleFiles(images=sample_files.images, texts=tmp_path / "one.txt")
    with pytest.raises(ExportError, match=r"1 texts are too few .* give 2 or more"):
        read_samples(files, demo_shaped, tokenizer)
