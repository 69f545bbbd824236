"""Images of any source, one at a time, each with a name, always in the same order."""

import io
import os
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
from twinlens.datasets.formats import tar_archive
from twinlens.datasets.read_images import read_images
from twinlens.demo.samples import bundled_drawings
from twinlens.errors import DatasetError, ImageError, quoted
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
        f"image 3 ({quoted(f'{shard}/x/4.png')}): x/4.png is a link or a device, not a file"
    ]


def test_a_member_that_is_too_large_is_one_lost_image(
    monkeypatch: pytest.MonkeyPatch, shard: Path
) -> None:
    monkeypatch.setattr(tar_archive, "MAX_MEMBER_BYTES", min(map(len, CONTENTS[:3])) - 1)
    found = [image for _, image in read_images(shard)]
    assert "more than" in str(found[0])


def test_a_torn_tar_gives_what_is_whole_and_says_so(tmp_path: Path, shard: Path) -> None:
    torn = tmp_path / "torn.tar"
    whole = shard.read_bytes()
    torn.write_bytes(whole[: whole.index(CONTENTS[1]) + 100])
    first, last = read_images(torn)
    assert first.image == CONTENTS[0]
    with pytest.raises(ImageError, match=r"torn\.tar is not a whole tar.* after 2 files"):
        raise last.image  # type: ignore[misc]


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
        f"image 1 ({quoted(f'{path}/1')}): no image: None",
        f"image 2 ({quoted(f'{path}/2')}): no image: b''",
    ]


def test_parquet_without_the_column_names_those_there(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"photo": CONTENTS, "text": ["x"] * len(CONTENTS)}), path)
    with pytest.raises(DatasetError, match="has no column 'image'; its columns are photo, text"):
        list(read_images(path))
    (tmp_path / "u.parquet").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"u\.parquet is not Parquet"):
        list(read_images(tmp_path / "u.parquet"))


def packed(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "plain.png",
        "Screenshot 2031-01-02 at 10.20.30.png",
        "trip v1.2.jpg",
        "s0.left.JPG",
        "a.b/c.d/e.f.webp",
        "./x.png",
    ],
)
def test_an_image_of_a_tar_is_known_by_what_follows_its_last_dot(tmp_path: Path, name: str) -> None:
    """As the decoders of webdataset know it."""
    path = packed(tmp_path / "a.tar", {name: b"x", f"{name}.json": b"{}", "note.png.txt": b""})
    assert list(read_images(path)) == [NamedImage(f"{path}/{name}", b"x")]


@pytest.mark.parametrize("name", ["._a.png", "x/._a.png", "__MACOSX/a.png", "@eaDir/a.png", ".png"])
def test_a_hidden_member_of_a_tar_is_left_out(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / "a.tar", {name: b"x", "x/a.png": b"y"})
    assert names(path) == [f"{path}/x/a.png"]


def test_the_second_member_of_one_name_is_one_lost_image(model: Model, tmp_path: Path) -> None:
    path = packed(tmp_path / "a.tar", {"a.png": CONTENTS[0], "b.png": CONTENTS[1]})
    with tarfile.open(path, "a") as archive:  # as tar -r does
        member = tarfile.TarInfo("a.png")
        member.size = len(CONTENTS[2])
        archive.addfile(member, io.BytesIO(CONTENTS[2]))
    (block,) = model.stream_images(read_images(path), on_error="skip")
    assert block.names == (f"{path}/a.png", f"{path}/b.png")
    assert "a.png is in the tar a second time; unpack it" in block.lost[0].reason


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.tgz", "w:gz"), ("a.tar.gz", "w:gz"), ("a.TXZ", "w:xz"), ("a.tbz", "w:bz2")],
)
def test_a_compressed_tar_is_known_by_its_suffix(tmp_path: Path, name: str, mode: str) -> None:
    path = packed(tmp_path / name, {"a.png": b"x"}, mode)
    assert names(path) == [f"{path}/a.png"]


def test_tars_of_a_folder_or_a_pattern_are_read_in_their_order(tmp_path: Path) -> None:
    for number in range(2):
        packed(tmp_path / f"{number}.tar", {f"{number}.png": b"x", "a.txt": b""})
    (tmp_path / "1.tar.png").touch()
    wanted = [f"{tmp_path}/0.tar/0.png", f"{tmp_path}/1.tar/1.png"]
    assert names(f"{tmp_path}/*.tar") == wanted
    assert names(tmp_path) == [*wanted, f"{tmp_path}/1.tar.png"]


def test_parquet_files_of_a_pattern_are_read_in_their_order(tmp_path: Path) -> None:
    for number in range(2):
        parquet.write_table(pa.table({"photo": [b"x", b"y"]}), tmp_path / f"{number}.parquet")
    found = [image.name for image in read_images(f"{tmp_path}/*.parquet", column="photo")]
    assert found == [f"{tmp_path}/{number}.parquet/{row}" for number in (0, 1) for row in (0, 1)]


@pytest.mark.parametrize("pattern", ["*", ""])
def test_a_shard_that_is_none_is_one_lost_image(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "0.tar").write_bytes(b"<html>" * 1000)
    packed(tmp_path / "1.tar", {"1.png": b"x"})
    lost, found = read_images(f"{tmp_path}/{pattern}")
    assert found.name == f"{tmp_path}/1.tar/1.png"
    assert lost.name == f"{tmp_path}/0.tar"
    with pytest.raises(ImageError, match=r"0\.tar is not a whole tar: it has no header"):
        raise lost.image  # type: ignore[misc]
    with pytest.raises(DatasetError, match=r"0\.tar is not a whole tar"):
        list(read_images(tmp_path / "0.tar"))


def test_a_damaged_stretch_of_a_tar_is_one_lost_image(model: Model, tmp_path: Path) -> None:
    path = packed(tmp_path / "a.tar", {f"{n}.png": content for n, content in enumerate(CONTENTS)})
    content = bytearray(path.read_bytes())
    damaged = content.index(b"2.png")
    content[damaged] ^= 1
    path.write_bytes(content)
    (block,) = model.stream_images(read_images(path), on_error="skip")
    assert [Path(name).name for name in block.names] == [
        "0.png",
        "1.png",
        "3.png",
        "4.png",
        "5.png",
    ]
    (lost,) = block.lost
    assert lost.name == f"{path}/byte {damaged}"
    assert "bad checksum" in lost.reason
    assert "after 2 files" in lost.reason


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("https://example.org/a.png", "the URL .https://example.org/a.png.; fetch it"),
        (
            "data:image/png;base64," + "QUJD" * 9999,
            "a data URI, .*; make bytes of it by from_data_uri",
        ),
        ("QUJD" * 9999, "39,996 characters that are no path, .*from_base64"),
        ("a\0b.png", "7 characters that are no path"),
    ],
)
def test_a_cell_that_is_no_path_is_one_lost_image(tmp_path: Path, cell: str, message: str) -> None:
    parquet.write_table(pa.table({"image": [cell]}), tmp_path / "t.parquet")
    ((_, lost),) = read_images(tmp_path / "t.parquet")
    with pytest.raises(ImageError, match=message) as caught:
        raise lost  # type: ignore[misc]
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("cell", [[{"bytes": CONTENTS[0], "path": None}], list(CONTENTS[0]), 7])
def test_a_cell_of_another_kind_is_quoted_in_one_short_line(tmp_path: Path, cell: object) -> None:
    parquet.write_table(pa.table({"image": pa.array([cell])}), tmp_path / "t.parquet")
    ((_, lost),) = read_images(tmp_path / "t.parquet")
    assert str(lost).startswith("no image: ")
    assert len(str(lost)) < 100
    assert "\n" not in str(lost)


def test_a_text_that_no_path_can_be_is_refused_in_one_short_line() -> None:
    for source in ("QUJD" * 100_000, "data:image/png;base64,a?" + "QUJD" * 100_000, "a\0\n" * 9000):
        with pytest.raises(
            FileNotFoundError, match="does not exist; give encoded images"
        ) as caught:
            read_images(source)
        assert len(str(caught.value)) < 200
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tar", b"<html>" * 1000, "is not a whole tar"),
        ("a.tgz", b"", "is not a whole tar: it is empty"),
        ("a.parquet", b"<html>", "is not Parquet"),
        ("photo.parquet", None, "has no column 'image'"),
    ],
)
def test_a_source_that_is_none_is_refused_before_it_is_read(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is None:
        parquet.write_table(pa.table({"photo": [b"x"]}), path)
    else:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_images(path)


def test_a_folder_that_cannot_be_listed_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    for source in (tmp_path, f"{tmp_path}/*.png"):
        with pytest.raises(PermissionError):
            read_images(source)
