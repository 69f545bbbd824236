"""Several files of pairs, by a folder or a pattern, read as one."""

from pathlib import Path

import pytest
from pair_files import png, shard, table

from twinlens.datasets.read_pairs import read_pairs
from twinlens.errors import PairsError


def test_tars_and_tables_of_a_folder_or_a_pattern_are_read_as_one(tmp_path: Path) -> None:
    for number in range(2):
        made = shard(tmp_path, {f"{number}.png": png(number), f"{number}.txt": b"a"})
        made.rename(tmp_path / f"{number}.tar")
    for source in (tmp_path, f"{tmp_path}/*.tar"):
        assert read_pairs(source).images == [png(0), png(1)]
    (tmp_path / "2.tar").write_bytes(b"<html>" * 1000)
    with pytest.raises(PairsError, match=r"2\.tar is not a whole tar"):
        read_pairs(tmp_path)
    assert len(read_pairs(f"{tmp_path}/*", on_error="skip")) == 2
    with pytest.raises(PairsError, match="no file matches"):
        read_pairs(f"{tmp_path}/*.csv")


def test_files_of_a_pattern_agree_on_their_columns(folder: Path) -> None:
    table(folder, "image,text,label\ndog.png,a,0\n", "0.csv")
    table(folder, "image,text,label\ncat.png,b,1\n", "1.csv")
    assert read_pairs(f"{folder}/*.csv").labels == [False, True]
    table(folder, "image,text\ncat.png,b\n", "2.csv")
    with pytest.raises(PairsError, match="of 3 files, only some have labels"):
        read_pairs(f"{folder}/*.csv")
