"""Daft embeds pictures by processes, and a join leaves out what is written."""

from pathlib import Path

import pytest
from docstring_example import run_example
from picture_folder import assert_rows_of_pictures, read_embeddings, write_pictures

import twinlens

library = pytest.importorskip("daft", reason="needs the integrations extra")

from twinlens.integrations import daft  # noqa: E402

# Daft leaves the pipes of its processes to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <_io\.(FileIO|BufferedReader) name=\d:"
    "pytest.PytestUnraisableExceptionWarning"
)


def test_the_example_embeds_a_folder_and_a_second_run_only_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DO_NOT_TRACK", "true")
    paths, model = write_pictures(tmp_path / "photos"), twinlens.load("demo")
    hidden = tmp_path / "later"
    hidden.mkdir()
    for path in paths[:5]:
        path.rename(hidden / path.name)
    places = {"embeddings": str(tmp_path / "embeddings")}
    names = run_example(daft, places={**places, "photos": str(tmp_path / "photos")})
    assert read_embeddings(tmp_path / "embeddings").num_rows == len(paths) - 5

    for path in paths[:5]:
        (hidden / path.name).rename(path)
    names["photos"] = names["daft"].from_glob_path(f"{tmp_path}/photos/**")
    names["photos"] = names["photos"].with_column("image", names["daft"].col("path").download())
    run_example(daft, names, number=1, places=places)
    assert_rows_of_pictures(read_embeddings(tmp_path / "embeddings"), paths, model)


def test_a_job_that_means_nothing_is_refused() -> None:
    frame = library.from_pydict({"a": ["x"]})
    with pytest.raises(ValueError, match="there is no column 'image'; the columns are a"):
        daft.embed(frame, daft.EmbeddingJob("demo", image="image"))


def test_columns_of_images_are_embedded(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", 4)[:-1]
    frame = library.from_pydict({"name": [path.name for path in paths]})
    content = library.from_pydict({"image": [path.read_bytes() for path in paths]})
    frame = library.from_pydict({**frame.to_pydict(), **content.to_pydict()})
    frame = frame.with_column("image", library.col("image").decode_image(mode="RGB"))
    job = daft.EmbeddingJob("demo", image="image", name="name")
    found = daft.embed(frame, job).to_arrow()
    assert found["lost"].null_count == found.num_rows == len(paths)
    assert str(found.schema.field("embedding").type).startswith("fixed_size_list<")
