"""Tables in memory as pairs, and tables of pairs of one modality."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import twinlens
from twinlens import Columns, ImagePairs, PairsError, TextPairs, read_pairs
from twinlens.demo.samples import bundled_drawings

DRAWINGS = bundled_drawings()[:4]
PATHS = [str(drawing.path) for drawing in DRAWINGS]
NAMES = [drawing.caption for drawing in DRAWINGS]
LIBRARIES: list[Callable[[dict[str, Any]], Any]] = [dict, pd.DataFrame, pl.DataFrame, pa.table]


@pytest.mark.parametrize("table", LIBRARIES)
def test_a_table_of_any_library_is_read_as_pairs(table: Callable[[dict[str, Any]], Any]) -> None:
    columns = {"image": PATHS, "caption": NAMES, "label": [1, 0, 1, 0]}
    found = read_pairs(table(columns))
    assert [str(image) for image in found.images] == PATHS
    assert found.texts == NAMES
    assert found.labels == [True, False, True, False]
    named = read_pairs(table({"a": PATHS, "b": NAMES}), columns=Columns(image="a", text="b"))
    assert (named.texts, named.labels) == (NAMES, None)


@pytest.mark.parametrize("roles", [("query", "response"), ("response", "query")])
def test_query_and_response_are_told_apart_by_their_values(roles: tuple[str, str]) -> None:
    image, text = roles
    found = read_pairs(pd.DataFrame({image: PATHS, text: NAMES}))
    assert [str(one) for one in found.images] == PATHS
    assert found.texts == NAMES


def test_a_path_that_is_wrong_does_not_turn_images_into_texts(model: twinlens.Model) -> None:
    table = {"query": ["nowhere.png", *PATHS], "response": ["a dog", *NAMES]}
    with pytest.raises(twinlens.ImageError, match=r"image 0.*nowhere\.png"):
        model.predict(table)
    found = model.predict_proba(table, on_error="nan")
    assert np.isnan(found).all(axis=1).tolist() == [True, False, False, False, False]


def test_cells_may_hold_pictures_in_memory() -> None:
    picture = Image.open(PATHS[0])
    given = [picture, np.asarray(picture), Path(PATHS[0]), Path(PATHS[0]).read_bytes()]
    found = read_pairs({"image": given, "text": NAMES})
    assert found.images[0] is picture
    assert found.images[1] is given[1]


def test_a_row_that_is_no_pair_has_its_number() -> None:
    lost: list[PairsError] = []
    table = {"image": [PATHS[0], "nowhere.png", PATHS[1]], "text": ["a", "b", " "]}
    with pytest.raises(PairsError, match=r"row 1 names nowhere\.png, which is no file"):
        read_pairs(table)
    assert len(read_pairs(table, on_error=lost.append)) == 1
    assert [str(error)[:5] for error in lost] == ["row 1", "row 2"]
    with pytest.raises(PairsError, match="the columns differ in length: 1 of image, 2 of text"):
        read_pairs({"image": PATHS[:1], "text": NAMES[:2]})


def test_evaluate_and_calibrate_take_a_frame(model: twinlens.Model, tmp_path: Path) -> None:
    drawings = bundled_drawings()[:20]
    columns = {"image": [str(d.path) for d in drawings], "text": [d.caption for d in drawings]}
    pairs, frame = (
        twinlens.Pairs(images=columns["image"], texts=columns["text"]),
        pd.DataFrame(columns),
    )
    assert twinlens.evaluate(model, frame) == twinlens.evaluate(model, pairs)
    found = twinlens.calibrate("demo", frame, out=tmp_path / "a")
    assert found == twinlens.calibrate("demo", pairs, out=tmp_path / "b")
    with pytest.raises(PairsError, match="the pairs are a list, wanted Pairs or a DataFrame"):
        twinlens.evaluate(model, [1])


def test_tables_of_one_modality_have_two_columns_of_it(tmp_path: Path) -> None:
    rows = {"image": PATHS, "copy": PATHS[::-1], "text": NAMES, "other": NAMES[::-1]}
    frame = pd.DataFrame({**rows, "label": [1, 0, 0, 1]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    pq.write_table(pa.table(frame), tmp_path / "a.parquet")
    for source in (frame, tmp_path / "a.csv", tmp_path / "a.parquet"):
        images = twinlens.read_image_pairs(source, others="copy")
        assert [str(one) for one in images.others] == PATHS[::-1]
        texts = twinlens.read_text_pairs(source, others="other", label="")
        assert (texts.texts, texts.others, texts.labels) == (NAMES, NAMES[::-1], None)
        assert images.labels == [True, False, False, True]
    with pytest.raises(PairsError, match="no column 'image2'; its columns are"):
        twinlens.read_image_pairs(frame)
    with pytest.raises(PairsError, match="is no table that is read for pairs of one modality"):
        twinlens.read_text_pairs(tmp_path / "a.json")


def test_pairs_of_one_modality_are_checked_as_others_are() -> None:
    with pytest.raises(PairsError, match="2 and 1 others are not pairs"):
        ImagePairs(images=PATHS[:2], others=PATHS[:1])
    with pytest.raises(PairsError, match="text 1 is 7, wanted a string"):
        TextPairs(texts=["a", "b"], others=["c", 7])  # type: ignore[list-item]
    assert TextPairs(texts=["a", "b"], others=["c", "d"]).take([1]).others == ["d"]
