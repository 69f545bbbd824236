"""Search of an index by words or pictures through the model, whose rows the index must hold."""

import numpy as np
import pytest
from PIL import Image

from twinlens import ImageError, Index, IndexFileError, Model, TextError
from twinlens.demo.samples import bundled_drawings

DRAWINGS = bundled_drawings()[:10]
PATHS = [drawing.path for drawing in DRAWINGS]
NAMES = [drawing.caption for drawing in DRAWINGS]


@pytest.fixture(scope="module")
def index(model: Model) -> Index:
    return Index.build(model.embed_images(PATHS), ids=NAMES, about=model.about)


def test_words_and_pictures_find_the_rows_of_their_embeddings(model: Model, index: Index) -> None:
    for queries, rows in (
        (NAMES[:3], model.embed_texts(NAMES[:3])),
        (NAMES[0], model.embed_texts(NAMES[:1])),
        (PATHS[:2], model.embed_images(PATHS[:2])),
        (PATHS[4], model.embed_images(PATHS[4:5])),
    ):
        found, wanted = model.search(index, queries, 4), index.search(rows, 4)
        np.testing.assert_array_equal(found.rows, wanted.rows)
        np.testing.assert_array_equal(found.cosines, wanted.cosines)
    for one in (PATHS[4].read_bytes(), Image.open(PATHS[4]), np.asarray(Image.open(PATHS[4]))):
        assert model.search(index, one, k=1).ids.tolist() == [[NAMES[4]]]
    assert model.search(index, str(PATHS[4]), 1, modality="image").ids.tolist() == [[NAMES[4]]]
    assert model.search(index, NAMES[:1], filter=[NAMES[7]]).ids.tolist() == [[NAMES[7]]]


def test_an_index_of_another_model_is_refused(model: Model, index: Index) -> None:
    rows = np.eye(model.width, dtype=np.float32)
    for other in ({"sha256": "0" * 64}, {"pixels": "fast"}):
        foreign = Index.build(rows, about={**model.about, **other})
        with pytest.raises(IndexFileError, match="the index was made with"):
            model.search(foreign, PATHS[0])
    close = Index.build(rows, about={**model.about, "precision": "fp16"})
    assert model.search(close, "a dog", 1).rows.shape == (1, 1)


def test_a_picture_that_cannot_be_read_is_an_error_or_no_hit(model: Model, index: Index) -> None:
    queries = [PATHS[0], b"no picture", PATHS[1]]
    with pytest.raises(ImageError, match="image 1"):
        model.search(index, queries)
    found = model.search(index, queries, 2, on_error="nan")
    whole = model.search(index, [PATHS[0], PATHS[1]], 2)
    assert found.ids[[0, 2]].tolist() == whole.ids.tolist()
    assert found.ids[1].tolist() == ["", ""]
    assert found.rows[1].tolist() == [-1, -1]
    assert np.isnan(found.cosines[1]).all()


def test_mixed_queries_and_texts_too_long_are_refused(model: Model, index: Index) -> None:
    with pytest.raises(TypeError, match="1 of 2 queries are words and the others pictures"):
        model.search(index, ["a dog", PATHS[0]])
    with pytest.raises(ValueError, match=r"names a file; give a Path, or modality='image'"):
        model.search(index, str(PATHS[0]))
    with pytest.raises(ValueError, match=r"the query no\.PNG names a file; give a Path"):
        model.search(index, "no.PNG")
    with pytest.raises(TypeError, match="index is a str, not an index; give one of"):
        model.search("photos.index", "a dog")  # type: ignore[arg-type]
    assert model.search(index, str(PATHS[0]), 1, modality="text").rows.shape == (1, 1)
    with pytest.raises(ValueError, match="modality is 'words'"):
        model.search(index, "a dog", modality="words")  # type: ignore[arg-type]
    with pytest.raises(TextError, match="text 0"):
        model.search(index, "dog " * 99, on_cut="error")
