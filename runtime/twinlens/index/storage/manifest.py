"""Manifest of an index on disk, `index.json`: the committed part of the folder's files.

Every change ends with an atomic rename that replaces it. It contains its own hash. Sections
(layout.py) are files `name.EPOCH.suffix`; an append writes behind the items that the manifest
counts, so a reader that maps only those sees one consistent snapshot.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from twinlens import dataclass_json
from twinlens.bundle.sealed_json import seal_of
from twinlens.errors import IndexFileError, missing, quoted
from twinlens.index.arrays.layout import ID_TEXT, IdKind, Layout
from twinlens.index.ids import repr_of

FORMAT: Final = 2
CODES_FORMAT: Final = 3
"""Format of an index of codes alone, which an older twinlens refuses."""
MANIFEST: Final = "index.json"
DRAFT: Final = f"{MANIFEST}.draft"
CURE: Final = "build and save the index again, or take a copy that is whole"
_SINGLE_FILE: Final = b"\x89TLI\r\n\x1a\n"
"""First bytes of a file of format 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Consecutive rows that were written together."""

    rows: int
    letters: int = 0
    """Bytes of their ids as UTF-8, if these are strings."""
    sha256: Mapping[str, str]
    """sha256 of their items in each section, by its name."""

    def __post_init__(self) -> None:
        if self.rows < 1 or self.letters < 0:
            raise ValueError(f"a part has {self.rows} rows and {self.letters} bytes of ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """File of the removed rows: a bit a row, the lowest first, 1 for a removed row."""

    file: str
    rows: int
    """Number of bits; later rows are not removed."""
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexManifest:
    """Description of an index, complete without its sections."""

    format: int = FORMAT
    generation: int
    """Grows with every change."""
    epoch: int
    """Generation in which the sections' files were begun."""
    width: int
    residual: bool
    ids: IdKind
    about: Mapping[str, str]
    centre: str
    """sha256 of the section `centre`, float32 [D]: the centre of the codes."""
    parts: tuple[Part, ...] = field(default=())
    removed: Removed | None = None

    def __post_init__(self) -> None:
        if self.format not in (FORMAT, CODES_FORMAT):
            raise ValueError(f"format is {self.format}, not {FORMAT} or {CODES_FORMAT}")

    @classmethod
    def format_of(cls, layout: Layout) -> int:
        """Return the format of an index of this layout."""
        return CODES_FORMAT if layout.codes_only else FORMAT

    @property
    def layout(self) -> Layout:
        """Layout of the sections."""
        return Layout(
            width=self.width,
            residual=self.residual,
            ids=self.ids,
            codes_only=self.format == CODES_FORMAT,
        )

    @property
    def n_rows(self) -> int:
        """N, including removed rows."""
        return sum(part.rows for part in self.parts)

    @property
    def n_text_bytes(self) -> int:
        """M, bytes of all string ids."""
        return sum(part.letters for part in self.parts)

    @property
    def centre_file(self) -> str:
        """File name of the centre."""
        return f"centre.{self.epoch}.f32"

    def file(self, section: str) -> str:
        """Return the file name of a section."""
        return f"{section}.{self.epoch}.{self.layout.sections()[section].suffix}"

    def items(self, section: str) -> int:
        """Return the number of committed items of a section."""
        return self.n_text_bytes if section == ID_TEXT else self.n_rows

    def files(self) -> set[str]:
        """Return the names of all files of the index, including its manifest."""
        named = {self.file(section) for section in self.layout.sections()}
        named |= {MANIFEST, self.centre_file}
        return named if self.removed is None else named | {self.removed.file}


def read_manifest(folder: Path) -> IndexManifest:
    """Read and check the manifest of an index.

    Raises:
        IndexFileError: there is no index, one of another format, or a damaged manifest.
        OSError: it cannot be read.
    """
    path = folder / MANIFEST
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _no_index(folder) from error
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise IndexFileError(f"{path} is damaged: it is not JSON ({error}); {CURE}") from error
    found = document.get("format") if isinstance(document, dict) else None
    if isinstance(document, dict) and document.pop("sha256", None) != seal_of(document):
        raise IndexFileError(f"{path} is damaged: it does not match its own hash; {CURE}")
    if found not in (FORMAT, CODES_FORMAT):
        raise IndexFileError(
            f"{path} has format {quoted(repr(found))}, this twinlens reads {FORMAT} and "
            f"{CODES_FORMAT}; "
            "open it with the twinlens that wrote it, or build and save it again"
        )
    try:
        return dataclass_json.read(IndexManifest, document)
    except dataclass_json.RecordError as error:
        raise IndexFileError(f"{path} is damaged: {error}; {CURE}") from error


def write_manifest(folder: Path, manifest: IndexManifest) -> None:
    """Commit: replace the manifest atomically.

    Until `sync_folder`, a loss of power may still bring back the previous one.
    """
    document = dataclass_json.write(manifest)
    document["sha256"] = seal_of(document)
    draft = folder / DRAFT
    try:
        with draft.open("w", encoding="ascii") as file:
            file.write(json.dumps(document, indent=1, allow_nan=False))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / MANIFEST)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def read_about(about: Mapping[str, str] | None) -> dict[str, str]:
    """Copy the metadata of an index.

    Raises:
        TypeError: it is no mapping, or a name or a value is no string.
        ValueError: a string holds two surrogates that JSON would join into one character.
    """
    if about is not None and not isinstance(about, Mapping):
        raise TypeError(f"about is a {type(about).__name__}, wanted a mapping of strings")
    metadata = dict(about or {})
    for name, value in metadata.items():
        if not isinstance(name, str) or not isinstance(value, str):
            says = f"{quoted(repr_of(name))}: {quoted(repr_of(value))}"
            raise TypeError(f"about says {says}, wanted strings")
    if json.loads(json.dumps(metadata)) != metadata:
        raise ValueError("about holds letters that JSON cannot tell apart; write it otherwise")
    return metadata


def _no_index(path: Path) -> OSError | IndexFileError:
    if not path.exists():
        return missing(path, "give the folder of an index, made by Index.save or twinlens index")
    if path.is_dir():
        return IndexFileError(
            f"{quoted(str(path))} is no twinlens index: it has no {MANIFEST}; "
            "if a writer was stopped in it, write it again"
        )
    with path.open("rb") as file:
        if file.read(len(_SINGLE_FILE)) == _SINGLE_FILE:
            return IndexFileError(
                f"{quoted(str(path))} is an index of format 1, a single file; this "
                "twinlens keeps an index in a folder: embed the rows, build and save it again"
            )
    return IndexFileError(
        f"{quoted(str(path))} is no twinlens index: it is a file, wanted a folder with {MANIFEST}; "
        "give a folder that Index.save or Index.write made"
    )
