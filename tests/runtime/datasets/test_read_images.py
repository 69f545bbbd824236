"""Images of any source, one at a time, each with a name, always in the same order."""

import io
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import twinlens
from twinlens import Model
from twinlens.datasets import image_tar
from twinlens.datasets.read_images import read_images
from twinlens.demo.samples import bundled_drawings
from twinlens.errors import DatasetError, ImageError
from twinlens.images.named_image import NamedImage

DRAWINGS = [drawing.path for drawing in bundled_drawings()[:6]]
CONTENTS = [path.read_bytes() for path in DRAWINGS]


def names(source: str | Path) -> list[str]:
    return [image.name for image in read_images(source)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder with images at several depths, other files and links."""
    top = tmp_path / "top"
    for name in ("b.png", "a/z.PNG", "a/c/d.jpg", "a.png", "e/f.webp"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(DRAWINGS[0], top / name)
    (top / "notes.txt").write_text("no image")
    (top / "broken.png").symlink_to(top / "nowhere.png")
    (top / "again").symlink_to(top / "a")
    return top


def test_a_folder_gives_what_is_below_it_in_the_order_of_names(folder: Path) -> None:
    wanted = ["a/c/d.jpg", "a/z.PNG", "a.png", "b.png", "e/f.webp"]
    assert names(folder) == [str(folder / name) for name in wanted]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.png", ["a.png", "b.png"]),
        ("**/*.png", ["a.png", "b.png"]),
        ("**/*.jpg", ["a/c/d.jpg"]),
        ("a/**/*", ["a/c/d.jpg", "a/z.PNG"]),
        ("a/*/d.*", ["a/c/d.jpg"]),
        ("?.png", ["a.png", "b.png"]),
        ("[b-z]*/*", ["e/f.webp"]),
        ("**", ["a/c/d.jpg", "a/z.PNG", "a.png", "b.png", "e/f.webp", "notes.txt"]),
        ("*.gif", []),
    ],
)
def test_a_pattern_gives_the_files_that_fit_it(
    folder: Path, pattern: str, found: list[str]
) -> None:
    assert sorted(names(f"{folder}/{pattern}")) == sorted(str(folder / name) for name in found)


def test_any_other_file_is_one_image_whatever_its_name(tmp_path: Path) -> None:
    odd = tmp_path / "image[1]"
    shutil.copyfile(DRAWINGS[0], odd)
    assert list(read_images(odd)) == [NamedImage(str(odd), odd)]


def test_a_source_that_does_not_exist_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist"):
        read_images(tmp_path / "nowhere")


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """Tar with three images, one with a caption, one with a class, and a link."""
    path = tmp_path / "shard.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in (
            ("x/0.png", CONTENTS[0]),
            ("x/0.txt", b"a dog"),
            ("x/1.PNG", CONTENTS[1]),
            ("x/1.cls", b"7"),
            ("x/2.json", b"{}"),
            ("../3.png", CONTENTS[2]),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("x/4.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return path


def test_a_tar_gives_its_images_with_or_without_captions(shard: Path) -> None:
    found = list(read_images(shard))
    assert [name for name, _ in found] == [
        f"{shard}/{name}" for name in ("x/0.png", "x/1.PNG", "../3.png", "x/4.png")
    ]
    assert [image for _, image in found[:3]] == CONTENTS[:3]
    assert isinstance(found[3].image, ImageError)


def test_a_link_in_a_tar_is_one_lost_image(model: Model, shard: Path) -> None:
    (block,) = model.stream_images(twinlens.read_images(shard), on_error="skip")
    np.testing.assert_array_equal(block.rows, model.embed_images(DRAWINGS[:3]))
    assert [lost.reason for lost in block.lost] == [
        f"image 3 ({shard}/x/4.png): x/4.png is a link or a device, not a file"
    ]


def test_a_member_that_is_too_large_is_one_lost_image(
    monkeypatch: pytest.MonkeyPatch, shard: Path
) -> None:
    monkeypatch.setattr(image_tar, "MAX_MEMBER_BYTES", min(map(len, CONTENTS[:3])) - 1)
    found = [image for _, image in read_images(shard)]
    assert "more than" in str(found[0])


def test_a_torn_tar_gives_what_is_whole_and_says_so(tmp_path: Path, shard: Path) -> None:
    torn = tmp_path / "torn.tar"
    whole = shard.read_bytes()
    torn.write_bytes(whole[: whole.index(CONTENTS[1]) + 100])
    images = read_images(torn)
    assert next(images).image == CONTENTS[0]
    with pytest.raises(DatasetError, match=r"torn\.tar is not a whole tar"):
        list(images)


def as_bytes(_folder: Path) -> Sequence[object]:
    return CONTENTS


def as_paths(_folder: Path) -> Sequence[object]:
    return [str(path) for path in DRAWINGS]


def as_relative_paths(folder: Path) -> Sequence[object]:
    for number, path in enumerate(DRAWINGS):
        shutil.copyfile(path, folder / f"{number}.png")
    return [f"{number}.png" for number in range(len(DRAWINGS))]


def as_structs(_folder: Path) -> Sequence[object]:
    """Structs of the datasets library: bytes, a path, or both."""
    both = [{"bytes": content, "path": "lost.png"} for content in CONTENTS[:3]]
    return [*both, *({"bytes": None, "path": str(path)} for path in DRAWINGS[3:])]


@pytest.mark.parametrize("column", [as_bytes, as_paths, as_relative_paths, as_structs])
def test_parquet_gives_a_column_row_group_by_row_group(
    model: Model, tmp_path: Path, column: Callable[[Path], Sequence[object]]
) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table({"image": column(tmp_path), "other": ["x"] * len(DRAWINGS)})
    parquet.write_table(table, path, row_group_size=2)
    found = list(read_images(path))
    rows = model.embed_images(found)
    np.testing.assert_array_equal(rows, model.embed_images(DRAWINGS))
    assert len({name for name, _ in found}) == len(DRAWINGS)


def test_an_empty_cell_is_one_lost_image(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"photo": [CONTENTS[0], None, b""]}), path)
    images = read_images(path, column="photo")
    (block,) = model.stream_images(images, on_error="skip")
    assert block.names == (f"{path}/0",)
    assert [lost.reason for lost in block.lost] == [
        f"image 1 ({path}/1): no image: None",
        f"image 2 ({path}/2): no image: b''",
    ]


def test_parquet_without_the_column_names_those_there(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"photo": CONTENTS, "text": ["x"] * len(CONTENTS)}), path)
    with pytest.raises(DatasetError, match="has no column 'image'; its columns are photo, text"):
        list(read_images(path))
    (tmp_path / "u.parquet").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"u\.parquet is not Parquet"):
        list(read_images(tmp_path / "u.parquet"))
