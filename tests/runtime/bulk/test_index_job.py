"""Indexes that are filled in commits: resumed, appended to, and made of folders of embeddings."""

import json
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinlens
from twinlens import Index, Model
from twinlens.__main__ import main
from twinlens.bulk import index_job
from twinlens.bulk.index_job import IndexJob
from twinlens.bundle.bundle import Bundle
from twinlens.images.named_image import NamedImage

Pictures = Callable[[int], Path]
Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *arguments: object, code: int = 0) -> Any:  # noqa: ANN401  JSON
    capsys.readouterr()
    assert main([*map(str, arguments), "--device", "cpu", "--threads", "1", "--json"]) == code
    printed = capsys.readouterr()
    return json.loads(printed.out) if printed.out else printed.err


def failing_after(count: int, folder: Path) -> Iterator[NamedImage]:
    for number, image in enumerate(twinlens.read_images(folder)):
        if number == count:
            raise OSError("the disk went away")
        yield image


def whole(model: Model, out: Path, folder: Path) -> None:
    """Assert that the index has each picture once, to the bit as one that is built at once."""
    paths = sorted(map(str, folder.glob("*.png")))
    index = Index.open(out, verify=True)
    assert sorted(index.ids.tolist()) == paths
    built = Index.build(model.embed_images(paths), ids=paths)
    np.testing.assert_array_equal(index.get(paths), built.get(paths))


def test_an_index_that_was_cut_anywhere_goes_on(
    colours: Model, pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_job, "COMMIT_ROWS", 64)
    folder, out = pictures(300), tmp_path / "index"

    def fill(images: Iterator[NamedImage]) -> IndexJob:
        job = IndexJob(out, about=colours.about, width=colours.width, anew=False)
        job.run(job.embedded(colours, images))
        return job

    for count in (70, 71, 200, 260):
        with pytest.raises(OSError, match="the disk went away"):
            fill(failing_after(count, folder))
        assert len(Index.open(out)) == count
    assert (fill(twinlens.read_images(folder)).tally.embedded, len(Index.open(out))) == (40, 300)
    whole(colours, out, folder)
    job = fill(twinlens.read_images(folder))
    assert (job.tally.embedded, job.vanished) == (0, 0)


def test_an_index_gets_what_it_lacks_and_keeps_what_has_vanished(
    bundle: Bundle, colours: Model, pictures: Pictures, tmp_path: Path, capsys: Capture
) -> None:
    folder, out = pictures(20), tmp_path / "index"
    (folder / "0003.png").write_bytes(b"<html>")
    made = run(capsys, "index", bundle.folder, folder, "--out", out, code=1)
    assert (made["rows"], made["lost"]) == (19, [str(folder / "0003.png")])
    pictures(25)
    (folder / "0001.png").unlink()
    made = run(capsys, "index", bundle.folder, folder, "--out", out)
    assert (made["rows"], made["added"], made["vanished"], made["lost"]) == (25, 6, 1, [])
    pictures(25)
    whole(colours, out, folder)


def test_an_index_is_made_of_folders_of_embeddings_and_pictures_together(
    bundle: Bundle, colours: Model, pictures: Pictures, tmp_path: Path, capsys: Capture
) -> None:
    folder, parts, out = pictures(20), tmp_path / "parts", tmp_path / "index"
    run(capsys, "embed", bundle.folder, folder, "--out", parts)
    pictures(30)
    made = run(capsys, "index", bundle.folder, parts, folder, "--out", out)
    assert (made["rows"], made["added"]) == (30, 30)
    whole(colours, out, folder)
    (folder / "0003.png").write_bytes(b"<html>")
    torn = tmp_path / "torn.parquet"
    run(capsys, "embed", bundle.folder, folder, "--out", torn, code=1)
    made = run(capsys, "index", bundle.folder, torn, "--out", tmp_path / "other", code=1)
    assert (made["rows"], made["lost"]) == (29, [str(folder / "0003.png")])
    made = run(capsys, "index", bundle.folder, torn, folder, "--out", tmp_path / "both", code=1)
    assert (made["rows"], made["lost"]) == (29, [str(folder / "0003.png")])
    pictures(30)
    made = run(capsys, "index", bundle.folder, torn, folder, "--out", tmp_path / "mended")
    assert (made["rows"], made["added"], made["lost"]) == (30, 30, [])


@pytest.mark.parametrize("source", ["pictures", "parts"])
def test_an_index_of_another_making_is_refused_and_stays(
    source: str, bundle: Bundle, colours: Model, pictures: Pictures, tmp_path: Path, capsys: Capture
) -> None:
    folder, out = pictures(5), tmp_path / "index"
    run(capsys, "embed", bundle.folder, folder, "--out", tmp_path / "parts")
    run(capsys, "index", bundle.folder, folder, "--out", out)
    line = ("index", bundle.folder, tmp_path / source, "--out", out, "--pixels", "fast")
    assert "was made with pixels exact, not fast" in run(capsys, *line, code=1)
    whole(colours, out, folder)
    if source == "pictures":
        assert run(capsys, *line, "--force")["rows"] == 5
        assert Index.open(out).about["pixels"] == "fast"


def test_an_index_that_is_replaced_stays_until_the_new_one_is_whole(
    bundle: Bundle, colours: Model, pictures: Pictures, tmp_path: Path, capsys: Capture
) -> None:
    folder, out, archive = pictures(5), tmp_path / "index", tmp_path / "a.tar"
    run(capsys, "index", bundle.folder, folder, "--out", out)
    with tarfile.open(archive, "w") as tar:
        tar.add(folder / "0000.png", arcname="a.png")
    before = Index.open(out).ids.tolist()
    job = IndexJob(out, about=colours.about, width=colours.width, anew=True)
    with pytest.raises(OSError, match="the disk went away"):
        job.run(job.embedded(colours, failing_after(3, folder)))
    assert Index.open(out, verify=True).ids.tolist() == before
    run(capsys, "index", bundle.folder, archive, "--out", out, "--force")
    assert Index.open(out, verify=True).ids.tolist() == [f"{archive}/a.png"]


def test_what_a_writer_left_that_was_killed_is_no_obstacle(
    bundle: Bundle, colours: Model, pictures: Pictures, tmp_path: Path, capsys: Capture
) -> None:
    folder, out = pictures(5), tmp_path / "index"
    out.mkdir()
    (out / "index.lock").touch()
    (out / "rows.1.f32").write_bytes(b"x" * 99)
    assert run(capsys, "index", bundle.folder, folder, "--out", out)["rows"] == 5
    whole(colours, out, folder)


def test_an_index_with_other_ids_is_refused(
    bundle: Bundle, pictures: Pictures, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "index"
    Index.build(np.eye(3, dtype=np.float32), ids=[1, 2, 3]).save(out)
    error = run(capsys, "index", bundle.folder, pictures(3), "--out", out, code=1)
    assert "strings as ids, but the index has integers" in error


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="names of files are text there")
@pytest.mark.parametrize("first", ["pictures", "parts"])
def test_a_name_that_is_no_text_has_one_row_from_pictures_and_from_a_folder(
    bundle: Bundle, pictures: Pictures, tmp_path: Path, capsys: Capture, first: str
) -> None:
    folder, parts, out = pictures(3), tmp_path / "parts", tmp_path / "index"
    (folder / "0001.png").rename(folder / "caf\udce9.png")
    run(capsys, "embed", bundle.folder, folder, "--out", parts)
    sources = (folder, parts) if first == "pictures" else (parts, folder)
    made = [run(capsys, "index", bundle.folder, source, "--out", out) for source in sources]
    assert [one["rows"] for one in made] == [3, 3]
    assert made[1]["vanished"] == 0
