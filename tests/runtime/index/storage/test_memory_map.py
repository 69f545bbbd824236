"""Index on disk: damaged, truncated, not an index, and large."""

import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from twinlens.errors import IndexFileError, TwinlensError
from twinlens.index.index import Index
from twinlens.index.storage.manifest import IndexManifest, Part, read_manifest, write_manifest

ROWS = np.random.default_rng(0).standard_normal((40, 24))
NAMES = [f"picture {number}" for number in range(40)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Index of several parts with all sections and removed rows."""
    path = tmp_path_factory.mktemp("whole") / "index"
    index = Index.write(path, ROWS[:20], ids=NAMES[:20], residual=True)
    index.add(ROWS[20:35], ids=NAMES[20:35])
    index.add(ROWS[35:], ids=NAMES[35:])
    index.remove(NAMES[3:6])
    assert [part.rows for part in read_manifest(path).parts] == [20, 15, 5]
    return path


@pytest.fixture
def index(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "index"))


def flip(path: Path, at: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


@pytest.mark.parametrize(
    "section", ["rows", "codes", "terms", "residual", "id_text", "id_ends", "id_digests"]
)
@pytest.mark.parametrize(
    ("share", "rows"), [(0.0, "0 to 19"), (0.6, "20 to 34"), (0.999, "35 to 39")]
)
def test_verify_names_the_section_and_the_rows_that_changed(
    index: Path, section: str, share: float, rows: str
) -> None:
    (path,) = index.glob(f"{section}.*")
    flip(path, int(share * path.stat().st_size), bit=5)
    opened = Index.open(index)
    with pytest.raises(IndexFileError, match=rf"{path.name} is damaged: its rows {rows} do not"):
        opened.verify()
    with pytest.raises(TwinlensError):
        Index.open(index, verify=True)


@pytest.mark.parametrize("section", ["centre", "removed"])
def test_what_every_search_depends_on_is_checked_when_it_is_opened(
    index: Path, section: str
) -> None:
    (path,) = index.glob(f"{section}.*")
    flip(path, 2)
    with pytest.raises(IndexFileError, match=rf"{path.name} is damaged: it does not match"):
        Index.open(index)


def test_no_flipped_bit_of_the_manifest_changes_an_answer(index: Path) -> None:
    path = index / "index.json"
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :])
        try:
            read = read_manifest(index)
        except IndexFileError:
            continue
        path.write_bytes(content)
        assert read == read_manifest(index), at  # one space became another


@pytest.mark.parametrize("section", ["rows", "codes", "terms", "id_text", "centre", "removed"])
@pytest.mark.parametrize("left", [0, -1])
def test_a_file_that_is_too_short_is_refused(index: Path, section: str, left: int) -> None:
    (path,) = index.glob(f"{section}.*")
    os.truncate(path, left if left == 0 else path.stat().st_size + left)
    with pytest.raises(IndexFileError, match=rf"{path.name} is damaged: it has \d+ bytes, wanted"):
        Index.open(index)


@pytest.mark.parametrize("section", ["rows", "codes", "terms", "residual", "id_text", "id_digests"])
@pytest.mark.parametrize(
    "use",
    [
        lambda opened: opened.search(ROWS),
        lambda opened: opened.search_within(ROWS, 0.5),
        lambda opened: opened.add(ROWS[:1], ids=["new"]),
        lambda opened: opened.remove(NAMES[:1]),
        lambda opened: opened.compact(),
        lambda opened: opened.save(Path(opened.about["elsewhere"])),
        lambda opened: opened.to("cpu"),
        lambda opened: opened.get(NAMES[:1]),
        lambda opened: opened.ids,
        lambda opened: list(opened.blocks()),
        lambda opened: opened.to_parquet(opened.about["elsewhere"]),
        lambda opened: opened.update(-ROWS[:1], NAMES[:1]),
        lambda opened: Index.build(ROWS[:1], ids=["new"]).merge(opened),
    ],
)
def test_a_file_that_is_cut_while_it_is_open_ends_no_process(
    tmp_path: Path, section: str, use: Callable[[Index], object]
) -> None:
    about = {"elsewhere": str(tmp_path / "elsewhere")}
    opened = Index.write(tmp_path / "index", ROWS, ids=NAMES, residual=True, about=about)
    (path,) = (tmp_path / "index").glob(f"{section}.*")
    os.truncate(path, 9)
    message = f"the file of the section {section} is damaged: it has 9 bytes, wanted"
    with pytest.raises(IndexFileError, match=message):
        use(opened)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_hit_of_damaged_rows_is_an_error_that_names_it(index: Path, value: float) -> None:
    rows = np.fromfile(index / "rows.1.f32", dtype="<f4").reshape(40, 24)
    rows[7, 3] = value
    rows.tofile(index / "rows.1.f32")
    opened = Index.open(index)
    with pytest.raises(IndexFileError, match="row 7 of the index is damaged: its squared length"):
        opened.search(ROWS[7], k=2)
    with pytest.raises(IndexFileError, match="row 7 of the index is damaged: its squared length"):
        opened.search(ROWS[7], k=2, filter=[NAMES[7]])


def test_an_id_that_is_no_text_is_an_error_that_names_its_row(index: Path) -> None:
    content = (index / "id_text.1.utf8").read_bytes()
    (index / "id_text.1.utf8").write_bytes(content.replace(b"picture 7", b"picture\xff7"))
    opened = Index.open(index)
    with pytest.raises(IndexFileError, match="the id of row 7 is damaged: it is not UTF-8; call"):
        opened.search(ROWS[7], k=2)


def test_a_file_that_is_cut_while_it_is_open_is_found_by_verify(index: Path) -> None:
    opened = Index.open(index)
    os.truncate(index / "rows.1.f32", 9)
    with pytest.raises(IndexFileError, match=r"rows\.1\.f32 is damaged: it has 9 bytes, wanted"):
        opened.verify()


@pytest.mark.parametrize("section", ["rows", "centre", "removed"])
def test_a_file_that_is_missing_is_named(index: Path, section: str) -> None:
    (path,) = index.glob(f"{section}.*")
    path.unlink()
    with pytest.raises(IndexFileError, match=f"lacks {path.name}, which its manifest names"):
        Index.open(index)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged: it is not JSON"),
        (b"\xff", "is damaged: it is not JSON"),
        (b"[" * 100_000, "is damaged: it is not JSON"),
        (b"[]", "has format None, this twinlens reads 2"),
        (b"{}", "does not match its own hash"),
    ],
)
def test_a_manifest_that_is_none_is_refused(index: Path, content: bytes, message: str) -> None:
    (index / "index.json").write_bytes(content)
    with pytest.raises(IndexFileError, match=message):
        Index.open(index)


def test_a_manifest_of_a_later_format_is_refused_by_its_format(index: Path) -> None:
    manifest = read_manifest(index)
    object.__setattr__(manifest, "format", 4)
    write_manifest(index, manifest)
    with pytest.raises(
        IndexFileError, match="has format 4, this twinlens reads 2 and 3; open it with"
    ):
        Index.open(index)


@pytest.mark.parametrize("field", ["width", "parts"])
def test_a_manifest_that_means_nothing_is_refused(index: Path, field: str) -> None:
    manifest = read_manifest(index)
    wrong = {"width": "24", "parts": ({"rows": 0, "sha256": {}},)}
    object.__setattr__(manifest, field, wrong[field])
    write_manifest(index, manifest)
    with pytest.raises(IndexFileError, match=f"is damaged: {field}"):
        Index.open(index)


def test_an_index_of_format_1_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "old.index"
    path.write_bytes(b"\x89TLI\r\n\x1a\n" + bytes(200))
    with pytest.raises(IndexFileError, match="is an index of format 1, a single file; this"):
        Index.open(path)


def test_what_is_no_index_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    for content in (b"", b"hello", b"x" * 500):
        path.write_bytes(content)
        with pytest.raises(IndexFileError, match=r"is no twinlens index: it is a file.*Index\.sav"):
            Index.open(path)
    with pytest.raises(IndexFileError, match=r"is no twinlens index: it has no index\.json"):
        Index.open(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Index.open(tmp_path / "nowhere")


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="asks the Linux kernel")
def test_opening_ten_million_rows_reads_next_to_nothing(tmp_path: Path) -> None:
    n_rows, width = 10_000_000, 512
    centre = bytes(4 * width)
    (tmp_path / "centre.1.f32").write_bytes(centre)
    part = dict.fromkeys(("rows", "codes", "terms", "ids"), "0" * 64)
    manifest = IndexManifest(
        generation=1,
        epoch=1,
        width=width,
        residual=False,
        ids="int64",
        about={},
        centre="e5a00aa9991ac8a5ee3109844d84a55583bd20572ad3ffcd42792f3c36b183ad",
        parts=tuple(Part(rows=62_500, sha256=part) for _ in range(160)),
    )
    assert manifest.n_rows == n_rows
    for name, section in manifest.layout.sections().items():
        with (tmp_path / manifest.file(name)).open("wb") as file:
            file.truncate(n_rows * section.item_bytes)
    write_manifest(tmp_path, manifest)

    read, resident = bytes_read(), resident_bytes()
    index = Index.open(tmp_path)
    assert bytes_read() - read < 2**20
    assert resident_bytes() - resident < 2**24
    assert (len(index), index.width) == (n_rows, width)


def bytes_read() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(lines[0].partition(": ")[2])


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.parametrize("n_rows", [5, 64, 300, 3000])
def test_a_row_of_nan_is_told_also_where_all_rows_are_hits(tmp_path: Path, n_rows: int) -> None:
    rows = np.random.default_rng(0).standard_normal((n_rows, 16))
    Index.write(tmp_path / "index", rows)
    (file,) = (tmp_path / "index").glob("rows.*")
    stored = np.memmap(file, dtype=np.float32, mode="r+").reshape(n_rows, 16)
    stored[2] = np.nan
    stored.flush()
    index = Index.open(tmp_path / "index")
    few = rows[:2]
    for call in (lambda: index.search(few, k=n_rows), lambda: index.search_within(few, -1)):
        with pytest.raises(IndexFileError, match="row 2 of the index is damaged"):
            call()
