"""A path at which there is nothing: each reader names it, cut, with the cure."""

from collections.abc import Callable

import pytest

import twinlens
from twinlens.errors import QUOTED_CHARACTERS

READERS: dict[str, Callable[[str], object]] = {
    "Index.open": twinlens.Index.open,
    "Index.from_parquet": twinlens.Index.from_parquet,
    "load": twinlens.load,
    "parquet_blocks": lambda path: list(twinlens.parquet_blocks(path)),
    "read_image_pairs": lambda path: twinlens.read_image_pairs(f"{path}.csv"),
    "read_images": twinlens.read_images,
    "read_images, a pattern": lambda path: twinlens.read_images(f"{path}/*.jpg"),
    "read_pairs": twinlens.read_pairs,
    "read_pairs, a pattern": lambda path: twinlens.read_pairs(f"{path}/*.tar"),
    "read_text_pairs": lambda path: twinlens.read_text_pairs(f"{path}.parquet"),
}


@pytest.mark.parametrize("path", ["nowhere", f"nowhere/{'a' * 200}"])
@pytest.mark.parametrize("reader", READERS)
def test_a_missing_path_is_named_with_the_cure(reader: str, path: str) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises((OSError, twinlens.TwinlensError)) as refused:
        READERS[reader](path)
    told = str(refused.value)
    named, _, cure = told.partition("does not exist; ")
    assert "nowhere" in named or "..." in named
    assert "a" * QUOTED_CHARACTERS not in told
    assert cure


def test_an_output_in_a_missing_folder_is_told_so(model: twinlens.Model) -> None:
    for write in (
        twinlens.Index.build([[1.0, 0.0]]).save,
        lambda out: twinlens.embed_to_parquet(model, iter(()), out=out),
    ):
        with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere; make it first"):
            write("nowhere/out")
