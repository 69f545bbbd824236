"""Pairs from CSV, Parquet, folders and tars: all of them, or an error with the line."""

import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pair_files import png, shard, table
from PIL import Image

from twinlens.datasets.pairs import Columns, Pairs
from twinlens.datasets.read_pairs import read_pairs
from twinlens.deduplication import distinct
from twinlens.errors import PairsError


def test_a_csv_is_read_beside_its_images(folder: Path) -> None:
    found = read_pairs(table(folder, 'image,text\ndog.png,"a dog, ""Rex"""\ncat.png,a cat\n'))
    assert found.images == [folder / "dog.png", folder / "cat.png"]
    assert found.texts == ['a dog, "Rex"', "a cat"]
    assert found.labels is None


def test_a_byte_order_mark_and_windows_lines_do_not_matter(folder: Path) -> None:
    path = table(folder, "\ufeffimage,text\r\ndog.png,ein Hündchen\r\n")
    assert read_pairs(path).texts == ["ein Hündchen"]


def test_images_may_have_another_root(folder: Path) -> None:
    (folder / "tables").mkdir()
    path = table(folder / "tables", "image,text\ndog.png,a dog\n")
    assert read_pairs(path, image_root=folder).images == [folder / "dog.png"]


def test_tabs_separate_a_tsv(folder: Path) -> None:
    path = table(folder, "image\ttext\ndog.png\ta dog, asleep\n", "pairs.tsv")
    assert read_pairs(path).texts == ["a dog, asleep"]


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [("10", [True, False]), (("true", "False"), [True, False]), (("no", "yes"), [False, True])],
)
def test_a_column_named_label_is_taken_for_one(
    folder: Path, cells: tuple[str, str], wanted: list[bool]
) -> None:
    path = table(folder, f"image,text,label\ndog.png,a,{cells[0]}\ncat.png,b,{cells[1]}\n")
    assert read_pairs(path).labels == wanted


def test_classes_are_read_if_named(folder: Path) -> None:
    path = table(folder, "image,text,label\ndog.png,a dog,animal\ncat.png,a cat,\n")
    found = read_pairs(path, columns=Columns(kind="label"))
    assert found.kinds == ["animal", ""]
    assert found.labels is None


@pytest.mark.parametrize("cells", [("often", ""), ("1", "0")])
def test_a_column_named_label_is_left_alone_if_asked(folder: Path, cells: tuple[str, str]) -> None:
    path = table(folder, f"image,text,label\ndog.png,a,{cells[0]}\ncat.png,b,{cells[1]}\n")
    assert read_pairs(path, columns=Columns(label="")).labels is None


def test_two_columns_named_label_are_refused(folder: Path) -> None:
    path = table(folder, "image,text,label,label\ndog.png,a,0,1\n")
    with pytest.raises(PairsError, match="has more than one column 'label'"):
        read_pairs(path)
    assert read_pairs(path, columns=Columns(label="")).texts == ["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("photo,text\n", r"no column 'image'; its columns are photo, text; name yours, as by"),
        ("image;text\n", r"its columns are image;text; its cells are parted by semicolons: save"),
        ("image\ttext\n", r"; its cells are parted by tabs: save it with commas, or with tabs as"),
        ("image,text\nphotos\\dog.png,a\n", r"which is no file; write / in place of \\ on this"),
        ("image,text\n", "there are no pairs"),
        ("image,text\ndog.png,a\nlost.png,b\n", r"line 3 names .*lost\.png, which is no file"),
        ("image,text\ndog.png,a\ndog.png\n", "line 3 has not the 2 cells"),
        ("image,text\ndog.png,a dog, asleep\n", "line 2 has not the 2 cells.*quotes"),
        ("image,text\n,a dog\n", "line 2 has no image"),
        ("image,text\ndog.png,  \n", "line 2 has no text in 'text'"),
        ("image,text,label\ndog.png,a,dog\n", "line 2 has 'dog' in 'label', wanted 0 or 1"),
        ('image,text\ndog.png,"a\n', "is not CSV"),
    ],
)
def test_a_bad_row_of_a_csv_is_an_error_with_its_line(
    folder: Path, text: str, message: str
) -> None:
    with pytest.raises(PairsError, match=message):
        read_pairs(table(folder, text))


def test_a_csv_in_another_encoding_is_an_error(folder: Path) -> None:
    (folder / "pairs.csv").write_bytes("image,text\ndog.png,ein Hündchen\n".encode("latin-1"))
    with pytest.raises(PairsError, match="is not UTF-8"):
        read_pairs(folder / "pairs.csv")


@pytest.mark.parametrize(
    "images",
    [
        ["dog.png", "cat.png"],
        [png(0), png(1)],
        [{"bytes": png(0), "path": None}, {"bytes": None, "path": "cat.png"}],
    ],
    ids=["paths", "bytes", "structs"],
)
def test_parquet_holds_paths_or_images(folder: Path, images: list[Any]) -> None:
    columns = {"image": images, "text": ["a dog", "a cat"], "label": [1, 0]}
    pq.write_table(pa.table(columns), folder / "pairs.parquet")
    found = read_pairs(folder / "pairs.parquet")
    assert found.labels == [True, False]
    assert found.texts == ["a dog", "a cat"]
    shown = [i.read_bytes() if isinstance(i, Path) else i for i in found.images]
    assert shown == [png(0), png(1)]


def test_a_bad_row_of_parquet_is_an_error_with_its_number(folder: Path) -> None:
    columns = {"image": ["dog.png", None], "text": ["a dog", "a cat"]}
    pq.write_table(pa.table(columns), folder / "pairs.parquet")
    with pytest.raises(PairsError, match="row 1 has no image: None"):
        read_pairs(folder / "pairs.parquet")


def test_what_is_no_parquet_is_an_error(folder: Path) -> None:
    with pytest.raises(PairsError, match="is not Parquet"):
        read_pairs(table(folder, "image,text\n", "pairs.parquet"))


def test_without_pyarrow_the_error_names_the_cure(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PairsError, match=r"pip install 'twinlens\[parquet\]'"):
        read_pairs(table(folder, "", "pairs.parquet"))


def test_a_caption_lies_beside_each_image(folder: Path) -> None:
    (folder / "dog.txt").write_text("a dog\n\nan animal\n", encoding="utf-8")
    (folder / "cat.txt").write_text("a cat", encoding="utf-8")
    found = read_pairs(folder)
    assert [Path(str(path)).name for path in found.images] == ["cat.png", "dog.png", "dog.png"]
    assert list(found.texts) == ["a cat", "a dog", "an animal"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dog.txt", "cat.png has no caption; write it to cat.txt"),
        ("bird.txt", "bird.txt has no image beside it"),
    ],
)
def test_a_folder_with_something_missing_is_an_error(folder: Path, name: str, message: str) -> None:
    (folder / name).write_text("words", encoding="utf-8")
    with pytest.raises(PairsError, match=message):
        read_pairs(folder)


def test_a_folder_may_have_one_table(folder: Path) -> None:
    table(folder, "image,text\ndog.png,a dog\n", "captions.csv")
    assert read_pairs(folder).texts == ["a dog"]


def test_a_folder_may_have_one_list_as_flickr30k_does(folder: Path) -> None:
    table(folder, "dog.png#0\ta dog\ndog.png#1\tan animal\ncat.png\ta cat\n", "captions.txt")
    found = read_pairs(folder)
    assert list(found.images) == [folder / "dog.png", folder / "dog.png", folder / "cat.png"]
    assert list(found.texts) == ["a dog", "an animal", "a cat"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dog.png a dog\n", "line 1 is not an image, a tab and a caption"),
        ("dog.png\ta\nlost.png\tb\n", r"line 2 names .*lost\.png, which is no file"),
        ("", "is empty"),
    ],
)
def test_a_bad_line_of_a_list_is_an_error_with_its_number(
    folder: Path, text: str, message: str
) -> None:
    table(folder, text, "captions.txt")
    with pytest.raises(PairsError, match=message):
        read_pairs(folder)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_shard_is_read_in_a_stream(tmp_path: Path, mode: str) -> None:
    members = {
        "a/0.png": png(0),
        "a/0.txt": b"a dog\n",
        "a/0.json": b"{}",
        "a/1.txt": b"a cat",
        "a/1.png": png(1),
    }
    found = read_pairs(shard(tmp_path, members, mode))
    assert (found.images, found.texts) == ([png(0), png(1)], ["a dog", "a cat"])


@pytest.mark.parametrize("key", ["../../etc/0", "/etc/0", "C:\\0"])
def test_a_name_that_leads_elsewhere_is_only_a_key(tmp_path: Path, key: str) -> None:
    found = read_pairs(shard(tmp_path, {f"{key}.png": png(), f"{key}.txt": b"a dog"}))
    assert found.texts == ["a dog"]
    assert [path.name for path in tmp_path.iterdir()] == ["shard.tar"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"0.png": b"x"}, r"has \.png of '0', wanted one image and one \.txt"),
        ({"0.txt": b"x"}, r"has \.txt of '0'"),
        ({"0.json": b"{}"}, "has neither of '0'"),
        ({"0.png": b"x", "0.jpg": b"x", "0.txt": b"x"}, r"has \.png, \.jpg, \.txt of '0'"),
        ({"0.png": b"x", "0.txt": b" "}, "0.txt is empty"),
        ({"0.png": b"x", "0.txt": b"\xff"}, "0.txt is not UTF-8"),
        ({"0.png": b"x", "0.txt": b"a", "1.png": b"", "1.txt": b"b", "0.jpg": b""}, "two places"),
        ({}, "holds no pairs"),
    ],
)
def test_a_shard_with_half_a_pair_is_an_error(
    tmp_path: Path, members: dict[str, bytes], message: str
) -> None:
    with pytest.raises(PairsError, match=message):
        read_pairs(shard(tmp_path, members))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_link_in_a_shard_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "shard.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("0.png")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(PairsError, match=r"0\.png is a link or a device"):
        read_pairs(path)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 3]


@pytest.mark.parametrize("damage", [cut, lambda _: b"no tar at all", lambda _: b""])
def test_a_damaged_shard_is_an_error(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    random = np.random.default_rng(0).bytes(20_000)
    path = shard(tmp_path, {"0.png": random, "0.txt": b"a dog"}, "w:gz")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(PairsError, match=r"not a whole tar|holds no pairs"):
        read_pairs(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [("lost.csv", "does not exist"), ("dog.png", "not known as pairs")],
)
def test_what_is_no_file_of_pairs_is_an_error(folder: Path, name: str, message: str) -> None:
    with pytest.raises(PairsError, match=message):
        read_pairs(folder / name)


def test_columns_of_different_lengths_are_no_pairs() -> None:
    with pytest.raises(PairsError, match="2 images and 1 text are not pairs"):
        Pairs(images=["a", "b"], texts=["a"])


def test_distinct_tells_values_by_content_and_images_by_identity() -> None:
    image, twin = Image.new("L", (1, 1)), Image.new("L", (1, 1))
    values = [Path("a"), "b", b"c", image, Path("a"), b"c", twin, image]
    firsts, places = distinct(values)
    assert firsts == [Path("a"), "b", b"c", image, twin]
    assert places.tolist() == [0, 1, 2, 3, 0, 2, 4, 3]
