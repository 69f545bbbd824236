"""Jobs: each item once, to the bit, whatever happened before."""

import json
import logging
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from bulk_jobs import embed, rows_of, table_in

import twinlens
from twinlens import EmbeddingsBusyError, EmbeddingsError, Model, Shard
from twinlens.bulk.folder import EmbeddingFolder
from twinlens.bundle.bundle import Bundle
from twinlens.errors import quoted

Pictures = Callable[[int], Path]


def failing_after(count: int, folder: Path) -> Iterator[Any]:
    for number, image in enumerate(twinlens.read_images(folder)):
        if number == count:
            raise OSError("the disk went away")
        yield image


def test_a_job_that_was_cut_anywhere_goes_on(
    colours: Model, pictures: Pictures, tmp_path: Path
) -> None:
    folder, out = pictures(40), tmp_path / "out"
    (folder / "0007.png").write_bytes(b"<html>")
    for count in (0, 3, 20, 33):
        with pytest.raises(OSError, match="the disk went away"):
            embed(colours, failing_after(count, folder), out)
        assert len(table_in(out)) == count
        assert not list(out.glob("_finished*"))
    report = embed(colours, folder, out)
    assert (report.rows, report.embedded, report.n_lost) == (39, 7, 1)
    assert "is no image that can be decoded" in report.lost[0].reason
    rows_of(colours, out, folder)
    assert json.loads((out / "_finished.json").read_text())["rows"] == 39
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}
    again = embed(colours, folder, out)
    assert (again.rows, again.embedded, again.n_lost, again.lost) == (39, 0, 1, report.lost)
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")} == before


def test_new_items_are_embedded_and_vanished_ones_kept_and_told(
    colours: Model, pictures: Pictures, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, out = pictures(10), tmp_path / "out"
    embed(colours, folder, out)
    pictures(12)
    (folder / "0003.png").unlink()
    report = embed(colours, folder, out)
    assert (report.rows, report.embedded, report.vanished) == (12, 2, 1)
    assert (
        f"1 items of {out} are not in the source: their rows are kept ({folder / '0003.png'})"
        in (caplog.text)
    )


def test_lost_items_are_tried_again_on_request_alone(
    colours: Model, pictures: Pictures, tmp_path: Path
) -> None:
    folder, out = pictures(20), tmp_path / "out"
    good = (folder / "0004.png").read_bytes()
    for number in (4, 5, 13):
        (folder / f"{number:04d}.png").write_bytes(b"<html>")
    assert embed(colours, folder, out).n_lost == 3
    (folder / "0004.png").write_bytes(good)
    assert embed(colours, folder, out).n_lost == 3
    report = embed(colours, folder, out, retry_lost=True)
    assert (report.rows, report.embedded, report.n_lost) == (18, 1, 2)
    rows_of(colours, out, folder)


def test_shards_share_a_folder_and_make_the_whole(
    colours: Model, pictures: Pictures, tmp_path: Path
) -> None:
    folder, out = pictures(40), tmp_path / "out"
    reports = [embed(colours, folder, out, shard=Shard.read(f"{n}/3")) for n in (1, 2, 3)]
    assert sum(report.rows for report in reports) == 40
    assert len(list(out.glob("_finished-*-of-3.json"))) == 3
    rows_of(colours, out, folder)
    assert embed(colours, folder, out).embedded == 0, "one machine may finish the work of three"


def test_one_job_at_a_time_embeds_a_name(
    colours: Model, pictures: Pictures, tmp_path: Path
) -> None:
    folder, out = pictures(9), tmp_path / "out"
    with EmbeddingFolder(out, Shard.read("1/4")).writing():
        for shard in ("1/1", "1/4", "1/2", "5/8"):
            with pytest.raises(EmbeddingsBusyError, match="is being written by another writer"):
                embed(colours, folder, out, shard=Shard.read(shard))
        for shard in ("2/4", "2/2", "3/8"):
            embed(colours, folder, out, shard=Shard.read(shard))
    embed(colours, folder, out)
    rows_of(colours, out, folder)


def test_the_lock_and_the_drafts_of_a_dead_job_are_no_obstacle(
    colours: Model, pictures: Pictures, tmp_path: Path
) -> None:
    folder, out = pictures(9), tmp_path / "out"
    code = (
        "import os, sys; from pathlib import Path\n"
        "from twinlens.bulk.folder import EmbeddingFolder\n"
        "with EmbeddingFolder(Path(sys.argv[1])).writing():\n"
        "    (Path(sys.argv[1]) / '.part-1-of-1-00000000.draft').write_bytes(b'half'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(out)], check=False).returncode == 9
    assert len(list(out.iterdir())) == 2
    embed(colours, folder, out)
    assert not list(out.glob(".*.draft"))
    rows_of(colours, out, folder)


@pytest.mark.parametrize(
    ("chosen", "pixels", "message"),
    [
        ({"dtype": "float16"}, "exact", r"dtype float32, not float16"),
        ({}, "fast", r"pixels exact, not fast"),
        ({"modality": "text"}, "exact", r"kind of items image, not text"),
    ],
)
def test_a_folder_that_was_made_otherwise_is_refused(
    chosen: dict[str, Any], pixels: twinlens.PixelMode, message: str, pictures: Pictures,
    bundle: Bundle, colours: Model, tmp_path: Path,
) -> None:  # fmt: skip
    folder, out = pictures(9), tmp_path / "out"
    embed(colours, folder, out)
    other = twinlens.load(bundle.folder, device="cpu", threads=1, pixels=pixels)
    with pytest.raises(EmbeddingsError, match=message):
        embed(other, ["a"] if chosen.get("modality") else folder, out, **chosen)
    rows_of(colours, out, folder)


def test_another_model_is_refused_by_its_name(
    colours: Model, model: Model, pictures: Pictures, tmp_path: Path
) -> None:
    folder, out = pictures(3), tmp_path / "out"
    embed(colours, folder, out)
    with pytest.raises(
        EmbeddingsError, match=r"was made with model tiny, not .*; .*width 3, not 192"
    ):
        embed(model, folder, out)


def test_other_operators_are_a_warning_and_each_part_names_its_own(
    colours: Model, pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    folder, out = pictures(9), tmp_path / "out"
    about = colours.about
    monkeypatch.setattr(Model, "about", property(lambda _: about | {"operators": "amx"}))
    embed(colours, folder, out)
    pictures(20)
    monkeypatch.setattr(Model, "about", property(lambda _: about | {"operators": "avx512vnni"}))
    embed(colours, folder, out)
    assert "was begun with operators amx, this machine has avx512vnni" in caplog.text
    made = [
        json.loads(pq.read_schema(part).metadata[b"twinlens"])
        for part in sorted(out.glob("part-*"))
    ]
    assert [one["about"]["operators"] for one in made] == ["amx", "amx", "avx512vnni", "avx512vnni"]
    assert len(twinlens.Index.from_parquet(out)) == 20


def test_a_folder_of_something_else_and_a_damaged_part_are_refused(
    colours: Model, pictures: Pictures, tmp_path: Path
) -> None:
    folder, out = pictures(20), tmp_path / "out"
    with pytest.raises(EmbeddingsError, match=r"holds '0000\.png', which belongs to no folder of"):
        embed(colours, folder, folder)
    embed(colours, folder, out)
    part = sorted(out.glob("part-*"))[1]
    content = part.read_bytes()
    for damaged in (content[: len(content) // 2], content[:20] + b"\xff" * 8 + content[28:]):
        part.write_bytes(damaged)
        with pytest.raises(EmbeddingsError, match=rf"delete {part.name}, and its items are"):
            embed(colours, folder, out)
    part.unlink()
    assert embed(colours, folder, out).embedded == 8
    rows_of(colours, out, folder)


def test_a_name_has_one_row_and_what_may_be_another_image_is_counted(
    colours: Model, pictures: Pictures, tmp_path: Path
) -> None:
    folder, out = pictures(4), tmp_path / "out"
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tar:
        for number in (0, 1, 2):
            tar.add(folder / f"{number:04d}.png", arcname=f"{number % 2}.png")

    def items() -> Iterator[Any]:
        yield from twinlens.read_images(folder)
        yield from twinlens.read_images(folder)
        yield from twinlens.read_images(archive)

    for _ in range(2):
        report = embed(colours, items(), out)
        assert (report.rows, report.n_lost, report.repeated) == (6, 0, 1)
    np.testing.assert_array_equal(
        np.float32(table_in(out)[f"{archive}/0.png"][0]),
        colours.embed_images([folder / "0000.png"])[0],
    )


def test_arrays_are_known_by_their_number_and_odd_names_are_escaped(
    colours: Model, tmp_path: Path
) -> None:
    arrays = [np.full((4, 4, 3), 20 * number, dtype=np.uint8) for number in range(6)]
    assert embed(colours, iter(arrays[:4]), tmp_path / "arrays").embedded == 4
    assert embed(colours, arrays, tmp_path / "arrays").embedded == 2
    assert list(table_in(tmp_path / "arrays")) == [f"image {number}" for number in range(6)]
    odd = ["caf\udce9.png", "a\nb\0.png", "x" * 300, ""]
    items = [twinlens.NamedImage(name, arrays[n]) for n, name in enumerate(odd)]
    for _ in range(2):
        embed(colours, items, tmp_path / "odd")
    assert list(table_in(tmp_path / "odd")) == ["caf\\udce9.png", *odd[1:3], "image 3"]


def test_texts_are_their_own_names_and_one_bad_text_costs_no_other(
    model: Model, tmp_path: Path
) -> None:
    texts = [f"a dog {number % 30}" for number in range(50)] + [
        "dog and " * 40,
        "\ud800",
        "the end",
    ]
    out = tmp_path / "out"
    for count in (20, len(texts)):
        report = embed(model, texts[:count], out, modality="text", on_cut="error")
    assert (report.rows, report.n_lost, report.repeated) == (31, 2, 0)
    found = table_in(out)
    assert {"dog and " * 40, "\\ud800"} == {name for name, (row, _) in found.items() if row is None}
    assert "tokens, wanted at most 32" in (found["dog and " * 40][1] or "")
    good = [name for name, (row, _) in found.items() if row is not None]
    np.testing.assert_array_equal(
        np.float32([found[name][0] for name in good]), model.embed_texts(good)
    )


def test_one_long_text_takes_the_room_of_one_long_text(colours: Model, tmp_path: Path) -> None:
    sizes = []
    for last in ("the end", "the end " * 10_000):
        out = tmp_path / f"{len(last)}"
        embed(colours, [*map(str, range(500)), last], out, modality="text", on_cut="ignore")
        sizes.append(sum(part.stat().st_size for part in out.glob("part-*")))
    assert sizes[1] - sizes[0] < 100_000


def test_a_folder_is_read_back_and_its_lost_items_are_named(
    colours: Model, pictures: Pictures, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, out = pictures(20), tmp_path / "out"
    for number in (4, 5, 13, 14):
        (folder / f"{number:04d}.png").write_bytes(b"<html>")
    embed(colours, folder, out, dtype="float16")
    caplog.clear()
    blocks = list(twinlens.parquet_blocks(out, ids="name"))
    names = [name for ids, _ in blocks for name in ids]
    rows = np.concatenate([rows for _, rows in blocks])
    assert rows.dtype == np.float16
    np.testing.assert_array_equal(rows, colours.embed_images(names).astype(np.float16))
    assert len(names) == 16
    assert f"{quoted(str(folder / '0004.png'))} (" in caplog.text
    assert "4 lost items are left out" in caplog.text
    assert " and 1 more" in caplog.text


def test_without_pyarrow_there_is_one_line_with_the_cure(
    colours: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"needs pyarrow; pip install 'twinlens\[parquet\]'"):
        embed(colours, [], tmp_path / "out")


def test_a_job_that_takes_lost_items_out_is_alone(
    colours: Model, pictures: Pictures, tmp_path: Path
) -> None:
    folder, out = pictures(9), tmp_path / "out"
    (folder / "0001.png").write_bytes(b"<html>")
    embed(colours, folder, out)
    one, other = EmbeddingFolder(out, Shard.read("1/2")), Shard.read("2/2")
    with one.writing(), one.retrying(), pytest.raises(EmbeddingsBusyError):
        embed(colours, folder, out, shard=other, retry_lost=True)
    assert embed(colours, folder, out).n_lost == 1


def test_a_part_that_another_job_has_deleted_is_none(
    colours: Model, pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = pictures(20), tmp_path / "out"
    embed(colours, folder, out)
    parts = EmbeddingFolder.parts
    gone = out / "part-000000-00000000.parquet"
    monkeypatch.setattr(EmbeddingFolder, "parts", lambda self: [gone, *parts(self)])
    assert embed(colours, folder, out).embedded == 0


def test_a_part_that_is_written_slowly_is_written_after_its_time(
    colours: Model, pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr("twinlens.bulk.gather.time.monotonic", lambda: 10.0 * next(clock))
    embed(colours, pictures(20), tmp_path / "out", part_rows=1000, part_s=5.0)
    assert len(list((tmp_path / "out").glob("part-*"))) == 1
    arrays = (np.zeros((4, 4, 3), dtype=np.uint8) for _ in range(300))
    embed(colours, arrays, tmp_path / "arrays", part_rows=1000, part_s=5.0)
    assert len(list((tmp_path / "arrays").glob("part-*"))) == 5


def test_a_bar_follows_the_job(
    colours: Model, pictures: Pictures, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = pictures(20)
    (folder / "0001.png").write_bytes(b"<html>")
    caplog.set_level(logging.ERROR)
    images = twinlens.read_images(folder)
    twinlens.embed_to_parquet(colours, images, out=tmp_path / "out", progress=True)
    assert "20image" in (shown := capsys.readouterr().err)
    assert "lost=1" in shown
