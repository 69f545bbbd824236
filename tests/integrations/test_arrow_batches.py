"""A batch of an engine becomes rows of the schema of `twinlens embed`, bad items and all."""

import io
import json
import pickle
from typing import Any

import numpy as np
import pytest
from PIL import Image

from twinlens import Model, load
from twinlens.bulk.schema import METADATA, StoredAbout
from twinlens.demo.samples import bundled_drawings
from twinlens.integrations.arrow_batches import embed_batch
from twinlens.integrations.embedding_job import EmbeddingJob, model_of
from twinlens.integrations.ray_data import Embedder

pa = pytest.importorskip("pyarrow", reason="needs the parquet extra")

PATHS = [str(drawing.path) for drawing in bundled_drawings()[:3]]
CONTENTS = [drawing.path.read_bytes() for drawing in bundled_drawings()[:3]]


@pytest.fixture(scope="module")
def model() -> Model:
    return load("demo", threads=1)


def rows_of(table: Any) -> np.ndarray:  # noqa: ANN401  pyarrow's
    return np.array(table["embedding"].to_pylist(), dtype=np.float32)


def test_a_batch_of_images_is_the_models_rows_in_the_jobs_schema(model: Model) -> None:
    job = EmbeddingJob("demo", image="image", name="key")
    batch = pa.record_batch({"image": CONTENTS, "key": [7, 8, 9], "more": [None] * 3})
    table = embed_batch(model, job, batch)
    np.testing.assert_array_equal(rows_of(table), model.embed_images(CONTENTS))
    assert table["name"].to_pylist() == ["7", "8", "9"]
    assert table["lost"].null_count == 3
    assert str(table.schema.field("embedding").type).startswith("fixed_size_list<")
    about = StoredAbout.of(table.schema, "here")
    assert dict(about.about) == model.about
    assert (about.modality, about.width) == ("image", model.width)
    assert METADATA in table.schema.metadata


def test_bad_images_are_rows_with_a_reason_and_take_no_other_with_them(model: Model) -> None:
    torn = CONTENTS[1][:200]
    cells = [CONTENTS[0], b"junk", None, torn, b"", CONTENTS[2]]
    names = [f"{number}.png" for number in range(len(cells))]
    table = embed_batch(
        model,
        EmbeddingJob("demo", image="image", name="name"),
        pa.table({"image": pa.array(cells, pa.large_binary()), "name": names}),
    )
    assert table["name"].to_pylist() == names
    kept = [0, 5]
    np.testing.assert_array_equal(
        rows_of(table.take(kept)), model.embed_images([CONTENTS[0], CONTENTS[2]])
    )
    assert [row is None for row in table["lost"].to_pylist()] == [n in kept for n in range(6)]
    assert [row is None for row in table["embedding"].to_pylist()] == [
        n not in kept for n in range(6)
    ]
    reasons = table["lost"].to_pylist()
    assert reasons[1].startswith("4 bytes is no image that can be decoded")
    assert reasons[2] == "no image: None"
    assert "truncated" in reasons[3]


def pixels(path: str) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize("kind", ["paths", "structs", "tensors", "arrays", "pictures"])
def test_images_come_as_paths_structs_tensors_or_arrays(model: Model, kind: str) -> None:
    stacked = np.stack([pixels(path) for path in PATHS])
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(stacked)
    images: Any = {
        "paths": pa.array(PATHS),
        "structs": pa.array([{"bytes": None, "path": path} for path in PATHS]),
        "tensors": pa.chunked_array([tensors, tensors.slice(0, 0)]),
        "arrays": stacked,
        "pictures": [Image.open(io.BytesIO(content)) for content in CONTENTS],
    }[kind]
    names = None if kind in {"paths", "structs"} else "name"
    job = EmbeddingJob("demo", image="image", name=names)
    columns = {"image": images, "name": ["a", "b", "c"]}
    arrow = kind in {"paths", "structs", "tensors"}
    table = Embedder(job)(pa.table(columns) if arrow else columns)
    assert table["lost"].null_count == 3
    assert table["name"].to_pylist() == (PATHS if names is None else ["a", "b", "c"])
    wanted = stacked if kind in {"tensors", "arrays"} else CONTENTS
    np.testing.assert_array_equal(rows_of(table), model.embed_images(list(wanted)))


def test_texts_name_themselves_and_a_null_is_lost(model: Model) -> None:
    texts = ["a dog", None, "a red apple"]
    table = embed_batch(model, EmbeddingJob("demo", text="t"), pa.table({"t": texts}))
    assert table["name"].to_pylist() == ["a dog", "", "a red apple"]
    assert table["lost"].to_pylist() == [None, "no text: None", None]
    np.testing.assert_array_equal(
        rows_of(table.take([0, 2])), model.embed_texts(["a dog", "a red apple"])
    )
    about = json.loads(table.schema.metadata[METADATA])
    assert about["too_long"] == "cut"


def test_an_item_without_a_name_is_lost_but_not_the_others(model: Model) -> None:
    cells = [{"bytes": CONTENTS[0], "path": "a.png"}, {"bytes": CONTENTS[1], "path": None}]
    table = embed_batch(model, EmbeddingJob("demo", image="i"), pa.table({"i": cells}))
    assert table["name"].to_pylist() == ["a.png", ""]
    assert table["lost"].to_pylist() == [None, "it has no name; give each item one"]


def test_a_job_that_means_nothing_is_refused(model: Model) -> None:
    with pytest.raises(ValueError, match="image is 'a' and text is 'b'; give the column of one"):
        EmbeddingJob("demo", image="a", text="b")
    with pytest.raises(ValueError, match="bytes and pixels have no names"):
        embed_batch(model, EmbeddingJob("demo", image="i"), pa.table({"i": CONTENTS}))
    with pytest.raises(ValueError, match="there is no column 'i'; the columns are a, b"):
        embed_batch(model, EmbeddingJob("demo", image="i"), pa.table({"a": [1], "b": [2]}))


def test_an_empty_batch_is_an_empty_table(model: Model) -> None:
    job = EmbeddingJob("demo", image="i")
    table = embed_batch(model, job, pa.table({"i": pa.array([], pa.string())}))
    assert table.num_rows == 0
    assert table.schema.names == ["name", "embedding", "lost"]


def test_a_process_opens_the_model_of_a_job_once() -> None:
    job = EmbeddingJob("demo", image="image")
    again = pickle.loads(pickle.dumps(job))
    assert model_of(again) is model_of(job)
    assert job.width == model_of(job).width == 192


def test_a_bad_text_takes_no_other_with_it(model: Model) -> None:
    batch = {"t": np.array(["a dog", "\ud800", "a red apple"], dtype=object)}
    table = Embedder(EmbeddingJob("demo", text="t"))(batch)
    assert table["lost"].to_pylist() == [
        None,
        "holds a lone surrogate at character 0; decode it with errors='replace'",
        None,
    ]
    np.testing.assert_array_equal(
        rows_of(table.take([0, 2])), model.embed_texts(["a dog", "a red apple"])
    )


def test_what_is_no_name_is_lost_and_bytes_are_read(model: Model) -> None:
    offsets = pa.array([0, 1, 2], pa.int32()).buffers()[1]
    torn = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xffa")])
    job = EmbeddingJob("demo", text="t", name="n")
    table = embed_batch(model, job, pa.table({"t": ["x", "y"], "n": torn}))
    assert table["name"].to_pylist() == ["", "a"]
    names = np.array([float("nan"), b"caf\xe9", None, 7], dtype=object)
    table = Embedder(job)({"t": np.array(list("abcd"), dtype=object), "n": names})
    assert table["name"].to_pylist() == ["", "caf\\xe9", "", "7"]
    assert [reason is None for reason in table["lost"].to_pylist()] == [False, True, False, True]


def test_a_column_that_is_there_twice_is_refused(model: Model) -> None:
    twice = pa.Table.from_arrays([pa.array(["a"])] * 2, names=["t", "t"])
    with pytest.raises(ValueError, match="there is more than one column 't'; the columns are t, t"):
        embed_batch(model, EmbeddingJob("demo", text="t"), twice)
