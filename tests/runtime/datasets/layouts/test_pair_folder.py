"""Folders of pairs: captions beside their images, and files that are neither."""

from pathlib import Path

import pytest
from pair_files import table

from twinlens.datasets.read_pairs import read_pairs
from twinlens.errors import PairsError


@pytest.mark.parametrize("name", ["README.txt", "bird.txt", "x/LICENSE.TXT"])
def test_a_text_without_an_image_is_left_out_with_a_warning(
    folder: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("words")
    for image in ("dog", "cat"):
        (folder / f"{image}.txt").write_text(f"a {image}")
    assert read_pairs(folder).texts == ["a cat", "a dog"]
    assert f"{name} has no image beside it; it is left out" in caplog.text


def test_an_image_without_a_caption_is_left_out_if_asked(folder: Path) -> None:
    (folder / "dog.txt").write_text("a dog")
    with pytest.raises(PairsError, match=r"cat\.png has no caption"):
        read_pairs(folder)
    assert read_pairs(folder, on_error="skip").texts == ["a dog"]


def test_hidden_files_are_no_pairs(folder: Path) -> None:
    for name in ("dog.txt", "cat.txt", "._dog.png", "._dog.txt", ".x/cat.txt", "@eaDir/dog.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("words")
    assert len(read_pairs(folder)) == 2


@pytest.mark.parametrize("end", ["\u2028", "\x85", "\x0b", "\x1e"])
def test_only_a_line_feed_or_a_carriage_return_ends_a_caption(folder: Path, end: str) -> None:
    (folder / "dog.txt").write_text(
        f"a dog{end}asleep\r\nan animal\rRex", encoding="utf-8", newline=""
    )
    (folder / "cat.txt").write_text("a cat")
    wanted = [f"a dog{end}asleep", "an animal", "Rex"]
    assert read_pairs(folder).texts == ["a cat", *wanted]
    table(folder, f"dog.png\ta dog{end}asleep\n", "captions.txt")
    assert read_pairs(folder).texts == wanted[:1]
