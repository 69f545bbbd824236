"""The samples: order, split, augmentation and errors."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from twinlens.texts.tokenizer import Tokenizer
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.checkpoints.hub_files import TOKENIZER
from twinlens_export.errors import ExportError
from twinlens_export.verification.samples import MOST_GIVEN, SampleFiles, read_samples


@pytest.fixture
def tokenizer(demo_shaped: Checkpoint, tmp_path: Path) -> Tokenizer:
    path = tmp_path / TOKENIZER
    path.write_text(demo_shaped.files[TOKENIZER], encoding="utf-8")
    return Tokenizer(path, demo_shaped.text_spec)


def test_given_files_are_read_in_order(
    sample_files: SampleFiles, demo_shaped: Checkpoint, tokenizer: Tokenizer
) -> None:
    samples = read_samples(sample_files, demo_shaped, tokenizer)
    assert samples.compared.images.shape == (12, 64, 64, 3)
    assert samples.compared.images.dtype == np.uint8
    assert (samples.n_images, samples.n_captions) == (12, 13)
    assert len(samples.compared.texts) == 13
    assert samples.compared.texts[0] == tuple(tokenizer.encode(["a dog"])[0])
    assert {len(text) for text in samples.full_texts} == {demo_shaped.text_spec.context}


def test_nothing_is_both_calibrated_on_and_compared(
    sample_files: SampleFiles, demo_shaped: Checkpoint, tokenizer: Tokenizer
) -> None:
    for files, images, captions in ((sample_files, 18, 20), (SampleFiles(), 60, 60)):
        samples = read_samples(files, demo_shaped, tokenizer)
        seen = {image.tobytes() for image in samples.compared.images}
        tuned = {image.tobytes() for image in samples.calibration.images}
        assert not seen & tuned
        assert not set(samples.compared.texts) & set(samples.calibration.texts)
        assert images // 3 <= len(tuned)
        assert samples.n_images == images - images // 3
        assert captions // 3 <= len(samples.calibration.texts)


def test_the_package_brings_its_own_in_several_views_and_wordings(
    demo_shaped: Checkpoint, tokenizer: Tokenizer
) -> None:
    samples = read_samples(SampleFiles(), demo_shaped, tokenizer)
    assert (samples.n_images, samples.n_captions) == (40, 40)
    assert len(samples.compared.images) == len(samples.compared.texts) == 160
    assert len(set(samples.compared.texts)) == 160


@pytest.mark.parametrize("part", ["images", "texts"])
def test_what_is_not_there_is_an_error_with_a_cure(
    part: str, sample_files: SampleFiles, demo_shaped: Checkpoint, tokenizer: Tokenizer
) -> None:
    parts = {"images": sample_files.images, "texts": sample_files.texts} | {part: Path("nowhere")}
    with pytest.raises(
        ExportError, match=r"samples cannot be read .*nowhere.*--images and --texts"
    ):
        read_samples(SampleFiles(**parts), demo_shaped, tokenizer)


def test_a_picture_that_is_none_is_named(
    sample_files: SampleFiles, demo_shaped: Checkpoint, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    for name in ("a.png", "b.png", "c.png", "d.png"):
        (tmp_path / name).write_text("no image")
    files = SampleFiles(images=tmp_path, texts=sample_files.texts)
    with pytest.raises(ExportError, match=r"a\.png"):
        read_samples(files, demo_shaped, tokenizer)


def test_a_folder_of_pictures_may_have_other_files_and_folders(
    sample_files: SampleFiles, demo_shaped: Checkpoint, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    assert sample_files.images is not None
    (tmp_path / "holiday").mkdir()
    for number, path in enumerate(sorted(sample_files.images.iterdir())):
        shutil.copy(path, tmp_path / ("holiday" if number % 2 else ".") / path.name)
    for name in (".DS_Store", "captions.csv", "holiday/notes.txt"):
        (tmp_path / name).write_text("no image")
    files = SampleFiles(images=tmp_path, texts=sample_files.texts)
    assert read_samples(files, demo_shaped, tokenizer).n_images == 12


def test_of_many_texts_some_are_taken_from_all_places(
    sample_files: SampleFiles, demo_shaped: Checkpoint, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    many = tmp_path / "many.txt"
    many.write_text("\n".join(f"{number} dogs" for number in range(10_000)))
    files = SampleFiles(images=sample_files.images, texts=many)
    samples = read_samples(files, demo_shaped, tokenizer)
    assert samples.n_captions + len(samples.calibration.texts) == MOST_GIVEN
    first, last = (tuple(ids) for ids in tokenizer.encode_ragged(["0 dogs", "9966 dogs"]))
    assert samples.compared.texts[0] == first
    assert samples.compared.texts[-1] == last


def test_three_texts_are_too_few(
    sample_files: SampleFiles, demo_shaped: Checkpoint, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    (tmp_path / "three.txt").write_text("a dog\n\na cat\na bus")
    files = SampleFiles(images=sample_files.images, texts=tmp_path / "three.txt")
    with pytest.raises(ExportError, match=r"verified with 4 or more texts, got 3; give more"):
        read_samples(files, demo_shaped, tokenizer)
