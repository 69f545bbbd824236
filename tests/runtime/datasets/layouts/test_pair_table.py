"""Tables of pairs: cells of any length and kind, and rows that are none."""

import csv
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pair_files import table

from twinlens.datasets.pairs import Columns
from twinlens.datasets.read_pairs import read_pairs
from twinlens.errors import PairsError


def test_several_captions_in_a_cell_are_as_many_pairs(folder: Path) -> None:
    columns = {
        "image": ["dog.png", "cat.png"],
        "text": [["a dog", "an animal"], ["a cat"]],
        "label": [1, 0],
        "kind": [0, 7],
    }
    pq.write_table(pa.table(columns), folder / "pairs.parquet")
    found = read_pairs(folder / "pairs.parquet", columns=Columns(kind="kind"))
    assert found.images == [folder / "dog.png", folder / "dog.png", folder / "cat.png"]
    assert found.texts == ["a dog", "an animal", "a cat"]
    assert found.labels == [True, True, False]
    assert found.kinds == ["0", "0", "7"]


@pytest.mark.parametrize("texts", [[], None, ["a", None], ["a", " "], [["a"]]])
def test_a_cell_with_a_caption_that_is_none_is_an_error(folder: Path, texts: object) -> None:
    columns = (
        {"image": ["dog.png", "cat.png"], "text": pa.array([["a dog"], texts])}
        if texts != [["a"]]
        else {"image": ["dog.png", "cat.png"], "text": pa.array([[["a"]], [["a"]]])}
    )
    pq.write_table(pa.table(columns), folder / "pairs.parquet")
    with pytest.raises(PairsError, match=r"row \d has no text in 'text'"):
        read_pairs(folder / "pairs.parquet")


def test_a_cell_of_a_csv_may_have_any_length(folder: Path) -> None:
    limit = csv.field_size_limit()
    long = "a dog " * 50_000
    path = table(folder, f'image,text,note\ndog.png,{long},x\ncat.png,"{long}""\n",y\n')
    assert read_pairs(path).texts == [long, f'{long}"\n']
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("QUJD" * 200, "is no file; make bytes of base64 by from_base64"),
        ("QUJD" * 20_000, "80,000 characters that are no path"),
        ("https://example.org/a.png", "has the URL"),
        (f"{'long' * 100}.png", r"names .*long\.png, which is no file"),
        ("\x1b[31m.png", r"names .*\\x1b\[31m\.png, which is no file"),
    ],
)
def test_a_cell_that_is_no_path_is_an_error_in_one_short_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cell: str, message: str
) -> None:
    monkeypatch.chdir(folder)  # a long path would be cut in the message
    path = table(folder, f"image,text\n{cell},a\n").relative_to(folder)
    with pytest.raises(PairsError, match=f"line 2 .*{message}") as caught:
        read_pairs(path)
    assert len(str(caught.value)) < 350
    assert str(caught.value).isprintable()


def test_a_bad_row_is_left_out_if_asked(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = table(
        folder, "image,text,label\nlost.png,a,1\ndog.png,a dog,1\ncat.png\ncat.png,b,x\n,c,0\n"
    )
    found = read_pairs(path, on_error="skip")
    assert (found.images, found.texts, found.labels) == ([folder / "dog.png"], ["a dog"], [True])
    assert [record.getMessage().split("pairs.csv ")[1][:6] for record in caplog.records] == [
        "line 2",
        "line 4",
        "line 5",
        "line 6",
    ]
    with pytest.raises(PairsError, match="there are no pairs"):
        read_pairs(table(folder, "image,text\nlost.png,a\n"), on_error="skip")


def test_a_pipe_is_refused_unopened(tmp_path: Path) -> None:
    for name in ("t.csv", "t.tar", "t.parquet"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(PairsError, match="is no regular file"):
            read_pairs(tmp_path / name)
