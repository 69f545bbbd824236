"""Files of embeddings by their suffix: .npz, .npy and .parquet."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from twinlens.bulk.items import ItemBlock
from twinlens.bulk.schema import StoredAbout
from twinlens.commands.parsing.misuse import MisuseError
from twinlens.commands.writing.npy_file import write_npy
from twinlens.commands.writing.npz_file import write_npz
from twinlens.commands.writing.parquet_file import write_parquet
from twinlens.commands.writing.targets import STDOUT

Write = Callable[[BinaryIO, Iterable[ItemBlock], StoredAbout], None]
"""Writes blocks of items into an open file."""

WRITERS: Final[Mapping[str, Write]] = MappingProxyType(
    {".npz": write_npz, ".npy": write_npy, ".parquet": write_parquet}
)


def writer_for(out: Path) -> Write | None:
    """Return the writer of a file of that name; None for a folder, of Parquet parts.

    A folder is one that exists, or a name without a suffix; the standard output is an .npz.

    Raises:
        MisuseError: the name has another suffix, or is that of a device.
    """
    if str(out) == STDOUT:
        return write_npz
    suffix = out.suffix.lower()
    if out.is_dir() or (not suffix and not out.exists()):
        return None
    if out.exists() and not out.is_file():
        raise MisuseError(f"--out {out} is a folder or a device; name a file")
    if suffix not in WRITERS:
        raise MisuseError(
            f"--out {out} is no file of a known format; let it end in .npz, .npy or .parquet, or "
            "name a folder without a suffix, or one that is there"
        )
    return WRITERS[suffix]
