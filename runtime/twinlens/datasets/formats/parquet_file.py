"""Parquet files: their columns, and their rows in batches; every error of pyarrow is ours."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from twinlens.datasets.formats.tar_bytes import MAX_EXPANSION, MIN_EXPANDED, require_regular_file
from twinlens.datasets.quoting import quoted_path, quoted_value
from twinlens.errors import DatasetError, quoted

T = TypeVar("T")


class PyarrowMissingError(DatasetError, ImportError):
    """Pyarrow, which reads Parquet, is not installed."""


class ParquetBatch(NamedTuple):
    """Neighbouring rows of a Parquet file."""

    first_row: int
    columns: dict[str, Any]
    """Arrays of pyarrow, by name."""


class ParquetDamage(NamedTuple):
    """A row group, or the rest of one, that cannot be read."""

    first_row: int
    error: DatasetError


class Parquet:
    """An open Parquet file."""

    def __init__(self, path: Path, file: Any) -> None:  # noqa: ANN401  pyarrow's file
        self._path, self._file = path, file
        self.schema: Any = self._ours(lambda: file.schema_arrow)
        """Schema of pyarrow."""
        self.columns: list[str] = self._ours(lambda: list(self.schema.names))
        """Names of the columns."""
        self.n_rows: int = self._ours(lambda: int(file.metadata.num_rows))

    def require_columns(self, names: Sequence[str]) -> None:
        """Refuse a file that lacks one of the columns, or has one twice.

        Raises:
            DatasetError: it does.
        """
        for name in names:
            if self.columns.count(name) != 1:
                how_many = "more than one" if name in self.columns else "no"
                raise DatasetError(
                    f"{quoted_path(self._path)} has {how_many} column {quoted_value(name)}; "
                    f"its columns are {quoted(', '.join(self.columns))}"
                )

    def batches(
        self, columns: Sequence[str], *, n_rows: int
    ) -> Iterator[ParquetBatch | ParquetDamage]:
        """Yield the rows, at most `n_rows` at a time; a damaged row group is told and passed over.

        Args:
            columns: names of the columns, of which the file has one each.
            n_rows: rows of a batch.
        """
        first_row = 0
        for group in range(self._file.num_row_groups):
            row = first_row
            try:
                first_row += self._check_group(group)
                for arrays in self._arrays(columns, group, n_rows):
                    yield ParquetBatch(row, arrays)
                    row += len(arrays[columns[0]])
            except DatasetError as error:
                yield ParquetDamage(row, error)

    def _arrays(self, columns: Sequence[str], group: int, n_rows: int) -> Iterator[dict[str, Any]]:
        batches = self._ours(
            lambda: self._file.iter_batches(n_rows, row_groups=[group], columns=list(columns))
        )

        def read() -> dict[str, Any] | None:
            batch = next(batches, None)
            return None if batch is None else {name: batch.column(name) for name in columns}

        while (arrays := self._ours(read)) is not None:
            yield arrays

    def _check_group(self, group: int) -> int:
        """Return the number of rows of a row group.

        Raises:
            DatasetError: it is small on disk and huge in memory.
        """
        about = self._ours(lambda: self._file.metadata.row_group(group))
        bound = MIN_EXPANDED + MAX_EXPANSION * self._path.stat().st_size
        if about.total_byte_size > bound:
            raise DatasetError(
                f"{quoted_path(self._path)} row group {group} expands to "
                f"{about.total_byte_size:,} bytes, more than {bound:,}"
            )
        return int(about.num_rows)

    def _ours(self, act: Callable[[], T]) -> T:
        """Do one step of pyarrow's.

        Raises:
            DatasetError: for every exception, of which pyarrow promises no type.
        """
        try:
            return act()
        except Exception as error:
            # Below 26, pyarrow takes a null in a fixed-size list, a lost item, for damage.
            old = "Expected all lists to be of size" in str(error)
            cure = "; install pyarrow 26 or newer, which reads lost items" if old else ""
            raise DatasetError(
                f"{quoted_path(self._path)} cannot be read as Parquet: {quoted(str(error))}{cure}"
            ) from error


def pyarrow(place: str) -> Any:  # noqa: ANN401  the library ships no types
    """Return pyarrow with its module `parquet`.

    Args:
        place: the file or folder that needs it, for the message.

    Raises:
        PyarrowMissingError: it is not installed; the message has the cure.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415  an extra, and slow to import
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise PyarrowMissingError(
            f"{place} is Parquet, which needs pyarrow; pip install 'twinlens[parquet]'"
        ) from error
    return pa


@contextmanager
def open_parquet(path: Path) -> Iterator[Parquet]:
    """Open a Parquet file.

    Raises:
        PyarrowMissingError: pyarrow is not installed.
        DatasetError: the file is not Parquet.
        OSError: there is no such file, or it may not be read.
    """
    library = pyarrow(quoted_path(path))
    require_regular_file(path)
    path.open("rb").close()
    try:
        file = library.parquet.ParquetFile(path, page_checksum_verification=True)
    except Exception as error:  # pyarrow promises no type
        raise DatasetError(f"{quoted_path(path)} is not Parquet: {quoted(str(error))}") from error
    with file:
        yield Parquet(path, file)


def cells(array: Any) -> Iterator[object | DatasetError]:  # noqa: ANN401  pyarrow's array
    """Yield the values of an array as Python has them; an error for one that is not UTF-8 text."""
    for scalar in array:
        try:
            yield scalar.as_py()
        except Exception as error:  # noqa: BLE001  pyarrow promises no type
            yield DatasetError(quoted(str(error)))
