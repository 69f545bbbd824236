"""Members of a tar, and the stretches of it that are lost, read once from front to back."""

import logging
import tarfile
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from twinlens.datasets.formats import tar_sparse
from twinlens.datasets.formats.tar_bytes import TarBytes, is_zero, open_tar_bytes
from twinlens.datasets.quoting import quoted_path, quoted_value
from twinlens.errors import DatasetError, ImageError, quoted

logger = logging.getLogger(__name__)

MAX_MEMBER_BYTES: Final = 2**28
"""Larger members are refused unread: a few compressed kilobytes can claim gigabytes."""
MAX_HEADER_BYTES: Final = 2**20
"""Of a long name and of pax records; a path has at most 4,096 bytes on Linux."""
MAX_PADDING_BYTES: Final = 2**28
"""Bytes behind the end of an uncompressed archive that are searched for a further one."""
_BLOCK: Final = 512
_MAGIC: Final = b"ustar"
_MAGIC_AT: Final = 257
_CHUNK: Final = 2**18
_NAMES: Final = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_RECORDS: Final = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE)
_PLAIN: Final = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)


class TarMember(NamedTuple):
    """One file in a tar."""

    name: str
    """Used as a name only, never as a path on disk; bytes that are not UTF-8 are escaped."""
    content: bytes | ImageError | None
    """The bytes, or the reason for their absence; None for a member that is not wanted."""


class TarDamage(NamedTuple):
    """A stretch of a tar that cannot be read."""

    offset: int
    """Of its first byte in the decompressed tar."""
    error: ImageError


class _Header(NamedTuple):
    """Header of a member, with its long name and pax records taken in."""

    name: str
    kind: bytes
    n_bytes: int
    """Bytes behind the header."""
    block: bytes
    records: Mapping[str, str]
    """Of pax."""

    @property
    def is_sparse(self) -> bool:
        """Only the pieces of the file that are not zero are behind the header."""
        return self.kind == tarfile.GNUTYPE_SPARSE or any(
            key.startswith(tar_sparse.KEY) for key in self.records
        )


def tar_members(path: Path, *, wanted: Callable[[str], bool]) -> Generator[TarMember | TarDamage]:
    """Yield the files of a tar, and every stretch of it that is lost.

    A damaged header loses the files up to the next good one. Behind its end, a further archive is
    looked for, as `cat a.tar b.tar` makes. A compressed file is read to the end, for its checksum.

    Args:
        path: the tar, uncompressed or compressed by gzip, bzip2 or xz.
        wanted: True for the name of a member whose bytes are to be read.

    Raises:
        DatasetError: the file is no tar: it has no header.
        OSError: it cannot be opened.
    """
    with open_tar_bytes(path) as stream:
        yield from _Reader(stream, path).members(wanted)


class _Reader:
    """Reading of one tar."""

    def __init__(self, stream: TarBytes, path: Path) -> None:
        self._stream, self._path = stream, path
        self._is_tar = False
        """A header or an end mark was read."""
        self._files = 0
        """Members read or skipped as a whole."""
        self._padding = 0
        """Bytes behind the last member that fill its last block."""
        self._zero_blocks = 0
        """Blocks of zeros right before the position: two of them end an archive."""

    def members(self, wanted: Callable[[str], bool]) -> Generator[TarMember | TarDamage]:
        """Yield members and damage up to the end of the file."""
        start = 0
        try:
            while True:
                self._skip(self._padding, "the padding of a file")
                self._padding = 0
                start = self._stream.position
                try:
                    header = self._header()
                    if header is None:
                        break
                    self._is_tar, self._zero_blocks = True, 0
                    content = self._content(header, wanted=wanted(header.name))
                    self._files += 1
                except tarfile.HeaderError as error:
                    damage = self._resume(start, str(error))
                    if damage is not None:
                        yield damage
                    continue
                if header.kind != tarfile.DIRTYPE:
                    yield TarMember(header.name, content)
        except DatasetError as error:
            place = f"{error}, after {self._files} files"
            reason = f"{quoted_path(self._path)} is not a whole tar: {place}"
            if not self._is_tar:
                raise DatasetError(reason) from error
            yield TarDamage(start, ImageError(reason))

    def _header(self) -> _Header | None:
        """Read the next header; None at the end of the file.

        Raises:
            HeaderError: there is none at this place.
            DatasetError: the file ends in the header.
        """
        if not self._reach_header():
            return None
        name, records, start = "", dict[str, str](), self._stream.position
        while True:
            block = self._stream.read(_BLOCK)
            if len(block) < _BLOCK:
                raise DatasetError(f"it ends at byte {self._stream.position:,}, within a header")
            try:
                info = tarfile.TarInfo.frombuf(block, "utf-8", "backslashreplace")
            except tarfile.HeaderError:
                # A header may begin within the block, behind bytes that are too many.
                self._stream.put_back(block[1:])
                raise
            if info.size < 0 or self._stream.position - start > MAX_HEADER_BYTES:
                raise tarfile.HeaderError(f"a size of {info.size:,} bytes")
            if info.type in _NAMES:
                text = self._extension(info).split(b"\0", 1)[0]
                if info.type == tarfile.GNUTYPE_LONGNAME:
                    name = text.decode("utf-8", "backslashreplace")
            elif info.type in _RECORDS:
                # Global records, of git, hold a comment; a name or a size of all files is none.
                found = _pax_records(self._extension(info))
                records |= found if info.type != tarfile.XGLTYPE else {}
            else:
                return _whole_header(info, block, name, records)

    def _reach_header(self) -> bool:
        """Skip the zeros before a header; return False at the end of the file."""
        block = self._stream.read(_BLOCK)
        if block and not is_zero(block):
            self._stream.put_back(block)
            return True
        if block:
            return self._skip_zeros()
        if not self._zero_blocks:
            if not self._is_tar:
                raise DatasetError("it is empty")
            logger.warning(
                "%s has no end mark: it may be torn; %d files came",
                quoted_path(self._path),
                self._files,
            )
        return False

    def _extension(self, info: tarfile.TarInfo) -> bytes:
        """Read the long name or the pax records behind their own header."""
        if info.size > MAX_HEADER_BYTES:
            raise tarfile.HeaderError(f"a name of {info.size:,} bytes")
        content = self._stream.read(_padded(info.size))
        if len(content) < info.size:
            raise DatasetError(f"it ends at byte {self._stream.position:,}, within a long name")
        return content[: info.size]

    def _content(self, header: _Header, *, wanted: bool) -> bytes | ImageError | None:
        """Read or skip the bytes of a member.

        Raises:
            HeaderError: the header claims more bytes than can be left.
            DatasetError: the file ends within them.
        """
        shown = quoted(header.name)
        blocks = self._sparse_blocks(header)
        if header.n_bytes > self._stream.left:
            # Not the file's end: good members may follow a header that lies.
            raise tarfile.HeaderError(
                f"{shown} claims {header.n_bytes:,} bytes, of which at most "
                f"{self._stream.left:,} are left,"
            )
        content: bytes | ImageError | None = None
        if wanted and header.kind not in (*_PLAIN, tarfile.GNUTYPE_SPARSE):
            content = ImageError(f"{shown} is a link or a device, not a file")
        elif wanted and header.n_bytes > MAX_MEMBER_BYTES:
            content = ImageError(
                f"{shown} has {header.n_bytes} bytes, more than {MAX_MEMBER_BYTES}"
            )
        elif wanted:
            content = self._stream.read(header.n_bytes)
            if len(content) < header.n_bytes:
                raise DatasetError(f"it ends at byte {self._stream.position:,}, within {shown}")
        if not isinstance(content, bytes):
            self._skip(header.n_bytes, shown)
        self._padding = _padded(header.n_bytes) - header.n_bytes
        if isinstance(content, bytes) and header.is_sparse:
            return _expanded(header, blocks, content)
        return content

    def _sparse_blocks(self, header: _Header) -> list[bytes]:
        """Read the blocks between the header of a sparse member and its bytes."""
        blocks = [header.block]
        more = header.kind == tarfile.GNUTYPE_SPARSE and header.block[482]
        while more:
            blocks.append(self._stream.read(_BLOCK))
            if len(blocks[-1]) < _BLOCK:
                raise DatasetError(f"it ends at byte {self._stream.position:,}, within a header")
            if len(blocks) * _BLOCK > MAX_HEADER_BYTES:
                raise tarfile.HeaderError("a sparse file in too many pieces")
            more = blocks[-1][504]
        return blocks

    def _skip(self, n_bytes: int, place: str) -> None:
        if self._stream.skip(n_bytes) < n_bytes:
            raise DatasetError(f"it ends at byte {self._stream.position:,}, within {place}")

    def _skip_zeros(self) -> bool:
        """Skip blocks of zeros; return False at the end of the file, or of the search."""
        self._is_tar, self._zero_blocks = True, 1
        while chunk := self._stream.read(_CHUNK):
            zeros = (len(chunk) - len(chunk.lstrip(b"\0"))) // _BLOCK
            self._zero_blocks += zeros
            rest = chunk[zeros * _BLOCK :]
            if len(rest) >= _BLOCK or (self._zero_blocks < 2 and not is_zero(rest)):
                self._stream.put_back(rest)
                return True
            if not is_zero(rest):
                self._warn_of_waste()
            if self._stream.seekable and self._zero_blocks * _BLOCK > MAX_PADDING_BYTES:
                break
        return False

    def _warn_of_waste(self) -> None:
        logger.warning("%s has bytes behind its end that are no tar", quoted_path(self._path))

    def _resume(self, start: int, reason: str) -> TarDamage | None:
        """Skip to the next good header; return the lost stretch, None for waste behind the end."""
        ended = self._zero_blocks > 1
        resumed = self._find_header(limit=MAX_PADDING_BYTES if not self._is_tar or ended else None)
        lost = self._stream.position - start
        if not resumed and not self._is_tar:
            raise DatasetError(f"it has no header ({reason})")
        if not resumed and ended:
            self._warn_of_waste()
            return None
        # At the end of the file, a missing end mark needs no word of its own.
        self._zero_blocks = 0 if resumed else 2
        return TarDamage(
            start,
            ImageError(
                f"{quoted_path(self._path)} is not a whole tar: {reason} at byte {start:,}, after "
                f"{self._files} files; {lost:,} bytes are lost"
            ),
        )

    def _find_header(self, *, limit: int | None) -> bool:
        """Skip to the next header, at any byte: bytes may be missing or too many.

        Returns:
            False at the end of the file, or of the search.
        """
        start = self._stream.position
        while len(chunk := self._stream.read(_CHUNK)) >= _BLOCK:
            at = _header_in(chunk)
            if at is not None:
                self._stream.put_back(chunk[at:])
                return True
            if len(chunk) == _CHUNK:
                # A header may begin in one chunk and end in the next.
                self._stream.put_back(chunk[1 - _BLOCK :])
            if limit is not None and self._stream.position - start > limit:
                self._stream.skip(self._stream.left)
        return False


def _whole_header(
    info: tarfile.TarInfo, block: bytes, name: str, records: dict[str, str]
) -> _Header:
    size = records.get("size", "")
    if size and not (size.isascii() and size.isdigit() and len(size) < 20):
        raise tarfile.HeaderError(f"a size of {quoted_value(size)}")
    has_bytes = info.type in (*_PLAIN, tarfile.GNUTYPE_SPARSE) or (
        info.type not in tarfile.SUPPORTED_TYPES
    )
    return _Header(
        name=records.get("GNU.sparse.name") or records.get("path") or name or info.name,
        kind=info.type,
        n_bytes=int(size or info.size) if has_bytes else 0,
        block=block,
        records=records,
    )


def _expanded(header: _Header, blocks: list[bytes], stored: bytes) -> bytes | ImageError:
    """Return the whole sparse file of the pieces that are stored."""
    try:
        if header.kind == tarfile.GNUTYPE_SPARSE:
            pieces, size = tar_sparse.gnu_pieces(blocks)
        else:
            pieces, size, stored = tar_sparse.pax_pieces(header.records, stored)
        return tar_sparse.expanded(pieces, size, stored, limit=MAX_MEMBER_BYTES)
    except ValueError as error:
        return ImageError(
            f"{quoted(header.name)} is a sparse file that cannot be read ({quoted(str(error))}); "
            "pack it without --sparse"
        )


def _pax_records(content: bytes) -> dict[str, str]:
    """Parse records, each its length, a space, a key, "=", a value and a line feed."""
    records, at = {}, 0
    while at < len(content) and content[at]:
        digits, space, _ = content[at : at + 20].partition(b" ")
        length = int(digits) if space and digits.isdigit() else 0
        record = content[at + len(digits) + 1 : at + length]
        key, equals, value = record.partition(b"=")
        if not key or not equals or not value.endswith(b"\n") or at + length > len(content):
            raise tarfile.HeaderError("damaged pax records")
        text = value[:-1].decode("utf-8", "backslashreplace")
        records[key.decode("utf-8", "backslashreplace")] = text
        at += length
    return records


def _header_in(chunk: bytes) -> int | None:
    """Return the place of the first header in the chunk; only the old v7 headers have no magic."""
    at = chunk.find(_MAGIC, _MAGIC_AT)
    while at >= 0:
        start = at - _MAGIC_AT
        try:
            tarfile.TarInfo.frombuf(chunk[start : start + _BLOCK], "utf-8", "backslashreplace")
        except tarfile.HeaderError:
            at = chunk.find(_MAGIC, at + 1)
        else:
            return start
    return None


def _padded(n_bytes: int) -> int:
    return -(-n_bytes // _BLOCK) * _BLOCK
