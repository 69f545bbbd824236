"""Data sets as libraries and their authors leave them: images and pairs, read as they come."""

import io
import json
import logging
import tarfile
from pathlib import Path

import pytest
from pair_files import png

from twinlens.datasets.pairs import Columns
from twinlens.datasets.read_images import read_images
from twinlens.datasets.read_pairs import read_pairs
from twinlens.errors import PairsError

pytest.importorskip("pyarrow")

import pyarrow as pa
from pyarrow import parquet

CAPTIONS = ("a dog", "a cat", "a bird")


def pack(path: Path, members: dict[str, bytes]) -> None:
    mode = "w:gz" if path.suffix == ".tgz" else "w"
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def record(number: int, **more: object) -> dict[str, object]:
    """A record of img2dataset 1.47."""
    return {
        "url": f"http://127.0.0.1/{number}.png", "key": f"{number:09}", "status": "success",
        "error_message": None, "width": 4, "height": 4, "exif": "{}", "sha256": "0" * 64, **more,
    }  # fmt: skip


@pytest.fixture(params=["files", "webdataset", "parquet"])
def fetched(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Output of img2dataset in each of its layouts: three pictures, and one that was lost."""
    rows = [record(n, caption=text) for n, text in enumerate(CAPTIONS)]
    lost = record(9, caption="not there", status="failed_to_download", error_message="HTTP 404")
    table = [{**row} for row in (rows[0], lost, *rows[1:])]
    if request.param == "parquet":
        for number, row in enumerate(table):
            row["jpg"] = None if row is table[1] else png(number)
    elif request.param == "webdataset":
        members = {}
        for number, row in enumerate(rows):
            members[f"{row['key']}.jpg"] = png(number)
            members[f"{row['key']}.json"] = json.dumps(row).encode()
            members[f"{row['key']}.txt"] = CAPTIONS[number].encode()
        pack(tmp_path / "00000.tar", members)
    else:
        (tmp_path / "00000").mkdir()
        for number, row in enumerate(rows):
            stem = tmp_path / "00000" / str(row["key"])
            stem.with_suffix(".jpg").write_bytes(png(number))
            stem.with_suffix(".json").write_text(json.dumps(row))
            stem.with_suffix(".txt").write_text(CAPTIONS[number])
    parquet.write_table(pa.Table.from_pylist(table), tmp_path / "00000.parquet")
    (tmp_path / "00000_stats.json").write_text(json.dumps({"count": 4, "failed_to_download": 1}))
    return tmp_path


def test_the_output_of_img2dataset_is_read_in_each_layout(fetched: Path) -> None:
    pairs = read_pairs(fetched)
    assert pairs.texts == list(CAPTIONS)
    contents = [i if isinstance(i, bytes) else Path(i).read_bytes() for i in pairs.images]  # type: ignore[arg-type]
    assert len({*contents}) == 3
    images = [*read_images(fetched)]
    assert len(images) == 3
    assert all(isinstance(found.image, bytes | Path) for found in images)


def test_rows_that_were_not_fetched_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        record(0, caption="a dog", jpg=png(0)),
        record(1, caption="x", jpg=None, status="failed"),
    ]
    path = tmp_path / "00000.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), path)
    with caplog.at_level(logging.WARNING):
        assert (len([*read_images(path)]), len(read_pairs(path))) == (1, 1)
    assert caplog.text.count("left out, as not fetched: 1 row") == 2
    # Without img2dataset's other column, "status" is anybody's.
    parquet.write_table(pa.Table.from_pylist(rows).drop(["error_message"]), path)
    assert len([*read_images(path)]) == 2


@pytest.mark.parametrize("suffix", [".tar", ".tgz"])
@pytest.mark.parametrize("key", ["caption", "text"])
def test_the_captions_of_a_tar_may_be_in_its_json(tmp_path: Path, suffix: str, key: str) -> None:
    members = {
        "0.jpg": png(0), "0.json": json.dumps({key: "a dog"}).encode(),
        "1.json": json.dumps({key: ["a cat", " a small cat "]}).encode(), "1.png": png(1),
        "2.jpg": png(2), "2.json": json.dumps({key: "unread"}).encode(), "2.txt": b"a bird",
    }  # fmt: skip
    pack(tmp_path / f"shard-000{suffix}", members)
    for source in (tmp_path, tmp_path / f"shard-000{suffix}", tmp_path / "*"):
        assert read_pairs(source).texts == ["a dog", "a cat", "a small cat", "a bird"]
        assert len([*read_images(source)]) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "no text in 'caption' or 'text': None"),
        (b'{"caption": ["a", 3]}', "no text in 'caption' or 'text': 3"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_a_json_without_a_caption_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    pack(tmp_path / "a.tar", {"0.jpg": png(), "0.json": content, "1.jpg": png(), "1.txt": b"a"})
    with pytest.raises(PairsError, match=message):
        read_pairs(tmp_path / "a.tar")
    assert read_pairs(tmp_path / "a.tar", on_error="skip").texts == ["a"]


def write_metadata(folder: Path, suffix: str, rows: list[dict[str, object]]) -> None:
    path = folder / f"metadata{suffix}"
    if suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    else:
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        path.write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize("text", ["text", "caption"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_an_image_folder_of_hugging_face_is_read_by_its_metadata(
    tmp_path: Path, suffix: str, text: str
) -> None:
    for split, names in (("train", ("0.png", "sub/1.png")), ("validation", ("0.png",))):
        rows: list[dict[str, object]] = []
        for number, name in enumerate(names):
            (tmp_path / split / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / split / name).write_bytes(png(number))
            rows.append({"file_name": name, text: f"{split} {name}", "label": "animal"})
        write_metadata(tmp_path / split, suffix, rows)
    pairs = read_pairs(tmp_path)
    assert pairs.texts == ["train 0.png", "train sub/1.png", "validation 0.png"]
    assert pairs.images == [tmp_path / text.replace(" ", "/", 1) for text in pairs.texts]
    assert (pairs.labels, pairs.kinds) == (None, ["animal"] * 3)
    assert read_pairs(tmp_path / "validation").texts == ["validation 0.png"]
    asked = Columns(image="file_name", text=text)
    with pytest.raises(PairsError, match="wanted 0 or 1"):  # asked for by name, nothing is guessed
        read_pairs(tmp_path, columns=asked)
    assert len([*read_images(tmp_path)]) == 3


def test_folders_of_classes_are_their_texts_and_classes(tmp_path: Path) -> None:
    for name in ("train/cat/0.png", "train/dog/0.png", "test/dog/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png())
    pairs = read_pairs(tmp_path)
    assert pairs.texts == pairs.kinds == ["dog", "cat", "dog"]
    assert read_pairs(tmp_path / "train").kinds == ["cat", "dog"]
    # One folder, or pictures at other depths, are no classes.
    for odd in ("one/a/0.png", "mixed/a/0.png", "mixed/b/c/0.png"):
        (tmp_path / odd).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / odd).write_bytes(png())
    for folder in ("one", "mixed"):
        with pytest.raises(PairsError, match="has no caption"):
            read_pairs(tmp_path / folder)


def coco(folder: Path, captions: list[dict[str, object]]) -> Path:
    images = [{"id": n, "file_name": f"{n:012}.jpg", "height": 4, "width": 4} for n in (7, 9, 4)]
    for number, image in enumerate(images):
        (folder / "val2017").mkdir(exist_ok=True)
        (folder / "val2017" / str(image["file_name"])).write_bytes(png(number))
    document = {"info": {}, "licenses": [], "images": images, "annotations": captions}
    path = folder / "annotations" / "captions_val2017.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_the_captions_of_coco_are_read_with_all_captions_of_an_image(tmp_path: Path) -> None:
    given = ((9, "a dog"), (7, "a cat\n"), (9, "A dog runs."))
    captions = [{"id": n, "image_id": i, "caption": text} for n, (i, text) in enumerate(given)]
    path = coco(tmp_path, captions)  # type: ignore[arg-type]
    for pairs in (read_pairs(path), read_pairs(path, image_root=tmp_path / "val2017")):
        assert pairs.texts == ["a cat", "a dog", "A dog runs."]
        assert [Path(image).stem for image in pairs.images] == [  # type: ignore[arg-type]
            f"{n:012}" for n in (7, 9, 9)
        ]
    with pytest.raises(PairsError, match="which is no file; name the folder of the images by"):
        read_pairs(path, image_root=tmp_path)


def test_an_annotation_that_is_no_pair_is_named_and_spares_the_others(tmp_path: Path) -> None:
    bad = [{"image_id": 1, "caption": "a"}, {"image_id": 9}, {"image_id": [9], "caption": "a"}, 3]
    good = {"image_id": 9, "caption": "a dog"}
    for annotation in bad:
        path = coco(tmp_path, [good, annotation])  # type: ignore[list-item]
        with pytest.raises(PairsError, match=r"captions_val2017\.json 1 has "):
            read_pairs(path)
        assert read_pairs(path, on_error="skip").texts == ["a dog"]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"images": []}', b"\xff", b"[" * 100_000])
def test_a_json_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(PairsError, match=r"a\.json is (not JSON|no captions JSON)"):
        read_pairs(tmp_path / "a.json")


def test_parquet_files_of_a_folder_are_read_where_it_has_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in (0, 1):
        rows = [
            {"image": {"bytes": png(number), "path": f"{number}.png"}, "text": f"text {number}"}
        ]
        name = f"data/train-0000{number}-of-00002.parquet"
        parquet.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    assert read_pairs(tmp_path).texts == ["text 0", "text 1"]
    assert [found.image for found in read_images(tmp_path)] == [png(0), png(1)]
    (tmp_path / "x.png").write_bytes(png(2))
    assert [found.name for found in read_images(tmp_path)] == [str(tmp_path / "x.png")]


def test_lines_of_json_that_are_no_pairs_are_named(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(png())
    path = tmp_path / "pairs.jsonl"
    good = json.dumps({"image": "0.png", "text": ["a dog", "a puppy"]})
    for bad in ("{", "3", '{"image": "0.png"}', '{"text": "a"}'):
        path.write_text(f"{good}\n\n{bad}\n", encoding="utf-8")
        with pytest.raises(PairsError, match="line 3 "):
            read_pairs(path)
        assert read_pairs(path, on_error="skip").texts == ["a dog", "a puppy"]


def test_the_image_folder_of_the_datasets_library_gives_the_same(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    for number in (0, 1):
        (tmp_path / f"{number}.png").write_bytes(png(number))
    rows: list[dict[str, object]] = [{"file_name": f"{n}.png", "text": f"text {n}"} for n in (1, 0)]
    write_metadata(tmp_path, ".jsonl", rows)
    theirs = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path), split="train", cache_dir=str(tmp_path / ".cache")
    )
    wanted = {row["text"]: row["image"].getpixel((0, 0)) for row in theirs}
    assert wanted == {"text 0": (0, 0, 0), "text 1": (1, 0, 0)}
    pairs = read_pairs(tmp_path)
    assert {t: Path(i).read_bytes() for t, i in zip(pairs.texts, pairs.images, strict=True)} == {  # type: ignore[arg-type]
        f"text {n}": png(n) for n in (0, 1)
    }
    # Their Parquet has structs of bytes and path.
    theirs.to_parquet(str(tmp_path / "theirs.parquet"))
    again = read_pairs(tmp_path / "theirs.parquet")
    assert {*again.texts} == {"text 0", "text 1"}


def test_shards_that_webdataset_writes_are_read(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    with webdataset.ShardWriter(str(tmp_path / "%03d.tar"), maxcount=2, verbose=0) as sink:
        for number in range(4):
            caption = (
                {"txt": f"text {number}"} if number % 2 else {"json": {"text": f"text {number}"}}
            )
            sink.write({"__key__": f"{number:03}", "png": png(number), **caption})
    assert read_pairs(tmp_path).texts == [f"text {n}" for n in range(4)]
    assert len([*read_images(tmp_path)]) == 4
