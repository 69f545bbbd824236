"""Tars of pairs: captions beside their images, by webdataset's keys and by whole names."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from pair_files import png, shard

from twinlens.datasets.read_pairs import read_pairs
from twinlens.errors import PairsError


def test_captions_of_dotted_names_go_to_their_images(tmp_path: Path) -> None:
    """Of webdataset's key, "10" of all three; the whole names tell them apart."""
    members = {}
    for place, name in enumerate(("10.20", "10.30", "10.40")):
        members[f"{name}.png"], members[f"{name}.txt"] = png(place), name.encode()
    found = read_pairs(shard(tmp_path, members))
    assert (found.images, found.texts) == ([png(0), png(1), png(2)], ["10.20", "10.30", "10.40"])


def test_one_image_and_one_caption_of_a_key_are_a_pair(tmp_path: Path) -> None:
    members = {"s0.left.PNG": png(0), "s0.caption.en.txt": b"a", "s0.depth.npy": b""}
    assert read_pairs(shard(tmp_path, members)).texts == ["a"]


def test_two_images_of_a_key_with_one_caption_are_no_pair(tmp_path: Path) -> None:
    members = {"s0.left.png": png(0), "s0.right.png": png(1), "s0.txt": b"a"}
    with pytest.raises(PairsError, match=r"has \.png, \.png, \.txt of 's0', wanted one image"):
        read_pairs(shard(tmp_path, members))


def test_what_is_no_pair_in_a_tar_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = {"0.png": png(0), "0.txt": b"a dog", "README.txt": b"words", "meta.json": b"{}"}
    assert read_pairs(shard(tmp_path, whole | {"._0.png": b"", "x/._0.txt": b""})).texts == [
        "a dog"
    ]
    assert "has .txt of 'README'" in caplog.text
    bad = whole | {"1.png": png(1), "2.png": png(2), "2.txt": b"\xff", "0.jpg": b""}
    with pytest.raises(PairsError, match=r"has \.png of '1'"):
        read_pairs(shard(tmp_path, bad))
    assert read_pairs(shard(tmp_path, bad), on_error="skip").texts == ["a dog"]


def test_a_member_given_twice_is_left_out_if_asked(tmp_path: Path) -> None:
    path = shard(tmp_path, {"0.png": png(0), "0.txt": b"a dog"})
    with tarfile.open(path, "a") as archive:
        member = tarfile.TarInfo("0.txt")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"b"))
    with pytest.raises(PairsError, match=r"has 0\.txt twice"):
        read_pairs(path)
    assert read_pairs(path, on_error="skip").texts == ["a dog"]


def test_the_whole_pairs_of_a_torn_tar_come_if_asked(tmp_path: Path) -> None:
    members = {
        f"{n}.{kind}": png(n) if kind == "png" else b"a"
        for n in range(9)
        for kind in ("png", "txt")
    }
    path = shard(tmp_path, members)
    os.truncate(path, 1024 * 2 * 6 + 100)
    with pytest.raises(PairsError, match=r"is not a whole tar: .* after 12 files"):
        read_pairs(path)
    assert len(read_pairs(path, on_error="skip")) == 6
