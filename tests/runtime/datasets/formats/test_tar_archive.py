"""Tars read to their end: each whole file comes, and each lost stretch is told."""

import bz2
import gzip
import io
import logging
import lzma
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from twinlens.datasets.formats import tar_archive, tar_bytes
from twinlens.datasets.formats.tar_archive import TarDamage, TarMember, tar_members
from twinlens.errors import DatasetError, ImageError

BYTES = np.random.default_rng(0).bytes(70_000)
FILES = {
    f"{'deep/' * 30 if number % 3 == 0 else ''}käse {number}.png": BYTES[number : number + size]
    for number, size in enumerate((3, 512, 2000, 70_000, 0, 1023, 1025, 1, 511))
}
PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}


def packed(files: Mapping[str, bytes], tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tar_format) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 1.5
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


ONE = packed({"a.png": b"x"}, tarfile.USTAR_FORMAT)
PLAIN = {f"{number:02}.png": BYTES[number : number + 700] for number in range(20)}
"""Twenty members of 1,536 bytes: a header and two blocks."""
TAR = packed(PLAIN, tarfile.USTAR_FORMAT)


def read(path: Path) -> tuple[dict[str, bytes], list[TarDamage]]:
    """All files of a tar, and the damage."""
    files, damage = {}, []
    for found in tar_members(path, wanted=lambda _: True):
        if isinstance(found, TarDamage):
            damage.append(found)
        else:
            assert isinstance(found.content, bytes)
            files[found.name] = found.content
    return files, damage


@pytest.fixture
def tar(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes, name: str = "t.tar") -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_the_files_are_those_of_the_tarfile_module(
    tar: Callable[..., Path], packer: str, tar_format: int
) -> None:
    path = tar(PACKERS[packer](packed(FILES, tar_format)), f"t.{packer}")
    with tarfile.open(path) as archive:
        wanted = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    assert wanted == FILES
    assert read(path) == (wanted, [])


def test_what_is_not_wanted_is_not_read(tar: Callable[..., Path]) -> None:
    found = list(tar_members(tar(TAR), wanted="07.png".__eq__))
    assert [(m.name, m.content) for m in found if isinstance(m, TarMember) and m.content] == [
        ("07.png", PLAIN["07.png"])
    ]
    assert len(found) == 20


@pytest.mark.parametrize("lost", [0, 5, 19])
def test_a_damaged_header_loses_its_own_file_only(tar: Callable[..., Path], lost: int) -> None:
    content = bytearray(TAR)
    content[lost * 1536] ^= 1
    files, damage = read(tar(content))
    assert files == {name: PLAIN[name] for name in PLAIN if name != f"{lost:02}.png"}
    (stretch,) = damage
    assert stretch.offset == lost * 1536
    assert f"bad checksum at byte {stretch.offset:,}, after {lost} files" in str(stretch.error)


def test_bytes_that_are_missing_or_too_many_lose_their_own_file_only(
    tar: Callable[..., Path],
) -> None:
    files, damage = read(tar(TAR[:1636] + TAR[1643:]))
    assert files | {"01.png": b""} == PLAIN | {"01.png": b""}
    assert len(damage) == 1
    files, damage = read(tar(TAR[:1536] + b"\0\1" * 7 + TAR[1536:]))
    assert files == PLAIN
    assert len(damage) == 1


@pytest.mark.parametrize(
    ("cut", "whole"),
    [(5 * 1536 + 100, 5), (5 * 1536 + 600, 5), (5 * 1536 + 512 + 700 + 100, 6)],
    ids=["header", "content", "padding"],
)
def test_a_torn_tar_gives_its_whole_files_and_says_so(
    tar: Callable[..., Path], cut: int, whole: int
) -> None:
    files, damage = read(tar(TAR[:cut]))
    assert list(files) == list(PLAIN)[:whole]
    (end,) = damage
    assert "t.tar is not a whole tar" in str(end.error)
    assert f"{whole} files" in str(end.error)


def test_a_tar_torn_in_a_long_name_says_so(tar: Callable[..., Path]) -> None:
    content = packed({"a.png": b"x", "long/" * 100: b"y"}, tarfile.GNU_FORMAT)
    files, (end,) = read(tar(content[: 1024 + 512 + 100]))
    assert files == {"a.png": b"x"}
    assert "within a long name" in str(end.error)


def test_a_tar_torn_between_two_files_is_warned_of(
    tar: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    assert read(tar(TAR[: 5 * 1536]))[1] == []
    assert "has no end mark: it may be torn; 5 files came" in caplog.text
    caplog.clear()
    assert read(tar(TAR)) == (PLAIN, [])
    assert not caplog.text


@pytest.mark.parametrize("packer", list(PACKERS)[1:])
def test_a_damaged_compression_is_told_at_its_place(tar: Callable[..., Path], packer: str) -> None:
    whole = PACKERS[packer](TAR + BYTES * 20 + ONE)
    files, damage = read(tar(whole[:-6]))
    assert files.items() <= PLAIN.items()
    assert len(damage) == 1
    wrong = bytearray(whole)
    wrong[-6] ^= 1  # within the checksum or the length
    files, damage = read(tar(wrong))
    assert files.items() >= PLAIN.items()
    assert "is not a whole tar" in str(damage[-1].error)


@pytest.mark.parametrize("packer", list(PACKERS)[1:])
def test_a_compression_torn_before_the_first_file_is_no_tar(
    tar: Callable[..., Path], packer: str
) -> None:
    with pytest.raises(DatasetError, match="is not a whole tar: Compressed file ended"):
        read(tar(PACKERS[packer](TAR)[:40]))


def headed(size: object, name: str = "h.png", **more: object) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size  # type: ignore[assignment]
    for key, value in more.items():
        setattr(member, key, value)
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("size", [2**60, 2**33 - 1, -512, -1])
def test_a_size_that_lies_costs_nothing_and_loses_no_other_file(
    tar: Callable[..., Path], packer: str, size: int
) -> None:
    path = tar(PACKERS[packer](ONE[:1024] + headed(size) + TAR))
    files, damage = read(path)
    assert "claims" in str(damage[0].error) or "a size of" in str(damage[0].error)
    assert files == {"a.png": b"x"} | PLAIN


@pytest.mark.parametrize(
    "header",
    [
        headed(2**40, "././@LongLink", type=tarfile.GNUTYPE_LONGNAME),
        headed(2**40, type=tarfile.XHDTYPE),
        headed(20, type=tarfile.XHDTYPE) + b"99 path=x\n".ljust(512, b"\0"),
        headed(20, type=tarfile.XHDTYPE) + b"15 size=12e999\n".ljust(512, b"\0"),
    ],
)
def test_a_long_name_or_record_that_lies_is_passed_over(
    tar: Callable[..., Path], header: bytes
) -> None:
    files, damage = read(tar(TAR[:1536] + header + TAR[1536:]))
    assert len(damage) == 1
    assert files.items() <= PLAIN.items()
    assert len(files) >= 19


def test_archives_one_behind_the_other_are_read_as_one(tar: Callable[..., Path]) -> None:
    assert read(tar(TAR + packed(FILES) + bytes(100_000))) == (PLAIN | FILES, [])


def test_waste_behind_the_end_is_warned_of(
    tar: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    for waste in (b"x", BYTES):
        caplog.clear()
        assert read(tar(TAR + waste)) == (PLAIN, [])
        assert "has bytes behind its end that are no tar" in caplog.text


def test_zeros_over_a_header_are_no_end(tar: Callable[..., Path]) -> None:
    for hole in (512, 1024):
        files, damage = read(tar(TAR[: 3 * 1536] + bytes(hole) + TAR[3 * 1536 + hole :]))
        assert list(files) == [name for name in PLAIN if name != "03.png"]
        assert len(damage) == 1


def test_zeros_without_end_behind_the_archive_are_not_read(
    tar: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tar_archive, "MAX_PADDING_BYTES", 10_000)
    path = tar(TAR)
    os.truncate(path, 2**40)  # a hole: no byte of it is on the disk
    assert read(path) == (PLAIN, [])


@pytest.mark.parametrize("packer", ["tar.bz2", "tar.xz"])
def test_a_compressed_file_expands_up_to_a_bound(
    tar: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, packer: str
) -> None:
    monkeypatch.setattr(tar_bytes, "MIN_EXPANDED", 2**16)
    bomb = PACKERS[packer](packed({"a.png": b"x"}) + bytes(2**24))
    files, (damage,) = read(tar(bomb))
    assert files == {"a.png": b"x"}
    assert "it expands beyond" in str(damage.error)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"no tar at all", "within a header"),
        (BYTES, "it has no header"),
        (b"\x28\xb5\x2f\xfd" + BYTES, "it is zstd; decompress it"),
        (b"PK\3\4" + BYTES, "it is zip"),
        (gzip.compress(BYTES), "it has no header"),
    ],
)
def test_a_file_that_is_no_tar_is_refused(
    tar: Callable[..., Path], content: bytes, message: str
) -> None:
    with pytest.raises(DatasetError, match=f"is not a whole tar: .*{message}"):
        read(tar(content))


def test_a_tar_of_nothing_has_no_files(tar: Callable[..., Path]) -> None:
    assert read(tar(packed({}))) == ({}, [])


def test_a_pipe_is_refused_unopened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.tar")
    with pytest.raises(DatasetError, match="is no regular file"):
        read(tmp_path / "t.tar")


@pytest.mark.parametrize("options", [["gnu"], ["posix", "1.0"], ["posix", "0.1"]])
def test_a_sparse_file_is_read_as_gnu_tar_packed_it(tmp_path: Path, options: list[str]) -> None:
    tar = shutil.which("tar")
    if tar is None or b"GNU" not in subprocess.check_output([tar, "--version"]):
        pytest.skip("needs GNU tar")
    with (tmp_path / "a.png").open("wb") as file:
        for piece in range(30):
            file.seek(piece * 100_000)
            file.write(BYTES[:5000])
        file.truncate(3_100_000)
    (tmp_path / "b.png").write_bytes(b"x")
    version = [f"--sparse-version={number}" for number in options[1:]]
    subprocess.run(
        [tar, "--sparse", f"--format={options[0]}", *version, "-cf", "t.tar", "a.png", "b.png"],
        cwd=tmp_path,
        check=True,
    )
    assert (tmp_path / "t.tar").stat().st_size < 1_000_000
    wanted = {name: (tmp_path / name).read_bytes() for name in ("a.png", "b.png")}
    assert read(tmp_path / "t.tar") == (wanted, [])


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ({"GNU.sparse.map": "0,5", "GNU.sparse.size": str(2**50)}, "it claims"),
        ({"GNU.sparse.map": "0,99", "GNU.sparse.size": "100"}, "outside of the file"),
        ({"GNU.sparse.map": "-5,5", "GNU.sparse.size": "100"}, "outside of the file"),
        ({"GNU.sparse.major": "1", "GNU.sparse.realsize": "9"}, "invalid literal"),
        ({"GNU.sparse.major": "7", "GNU.sparse.realsize": "9"}, "version that is not known"),
    ],
)
def test_a_sparse_file_that_lies_is_one_lost_file(
    tar: Callable[..., Path], records: dict[str, str], message: str
) -> None:
    member = tarfile.TarInfo("s.png")
    member.size, member.pax_headers = 5, records
    content = (
        member.tobuf(tarfile.PAX_FORMAT) + b"hello".ljust(512, b"\0") + packed({"b.png": b"x"})
    )
    lost, whole = tar_members(tar(content), wanted=lambda _: True)
    assert isinstance(lost, TarMember)
    assert isinstance(lost.content, ImageError)
    assert message in str(lost.content)
    assert whole == TarMember("b.png", b"x")


def test_no_mutation_gives_a_foreign_error_or_silence(
    tar: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    rng = np.random.default_rng(0)
    for _ in range(300):
        pack = PACKERS[rng.choice(list(PACKERS))]
        content, cut = bytearray(TAR), int(rng.integers(len(TAR)))
        cuts: list[Callable[[], object]] = [
            lambda c=content, n=cut: c.__delitem__(slice(n, None)),
            lambda c=content, n=cut: c.__delitem__(slice(n, n + int(rng.choice([1, 512, 700])))),
            lambda c=content, n=cut: c.__setitem__(n, c[n] ^ 1),
        ]
        rng.choice(np.array(cuts, dtype=object))()
        caplog.clear()
        try:
            files, damage = read(tar(pack(bytes(content))))
        except DatasetError:
            continue
        assert len(files) == 20 or damage or caplog.text
