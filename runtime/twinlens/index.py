"""Index: embeddings that can be searched by cosine, exactly."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinlens.calibration import Calibration
from twinlens.index_file import Header, check_rows, map_rows, write_rows
from twinlens.rows import unit_rows
from twinlens.threads import usable_threads
from twinlens_kernels import topk


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """The K best index rows of each query, best first; of equal cosines, the lower row."""

    ids: NDArray[np.int64]
    """[Q, K] row numbers in the index."""
    cosines: NDArray[np.float32]
    """[Q, K], descending along K."""

    def probabilities(
        self, calibration: Calibration, *, prior: float | None = None
    ) -> NDArray[np.float32]:
        """Match probability [Q, K] of each hit; the order stays that of the cosines.

        Args:
            calibration: that of the model which embedded both sides.
            prior: share of matching pairs expected among all pairs of a query and a row.

        Raises:
            ValueError: prior is not between 0 and 1.
        """
        return calibration.probability(self.cosines, prior=prior)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """The file that an opened index maps."""

    path: Path
    header: Header


class Index:
    """Unit rows [N, D], searched by exact cosine.

    >>> index = Index.build(np.eye(3))
    >>> index.search(np.array([0.0, 3.0, 4.0]), k=2).ids
    array([[2, 1]])
    """

    def __init__(self, rows: NDArray[np.float32], *, origin: _Origin | None = None) -> None:
        self._rows, self._origin = rows, origin

    @classmethod
    def build(cls, embeddings: ArrayLike) -> Self:
        """Index [N, D] float embeddings; their rows are copied and scaled to length 1.

        A zero row stays zero: its cosine with everything is 0.

        Raises:
            TypeError: The numbers are not floats.
            ValueError: There are not two dimensions, or a row holds NaN or infinity.
        """
        return cls(unit_rows(embeddings))

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, verify: bool = False) -> Self:
        """Map a saved index read-only; `verify` reads it all and compares its hash.

        Raises:
            IndexFileError: The file is no index, or is damaged.
            OSError: The file cannot be read.
        """
        file = Path(path)
        header, rows = map_rows(file)
        index = cls(rows, origin=_Origin(path=file, header=header))
        if verify:
            index.verify()
        return index

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"Index({len(self)} rows of width {self.width})"

    @property
    def width(self) -> int:
        """D, the numbers in a row."""
        return int(self._rows.shape[1])

    def search(self, queries: ArrayLike, k: int = 10, *, threads: int | None = None) -> Hits:
        """The min(k, N) rows nearest by cosine to each of [Q, D] float queries, or to one [D].

        Exact: the order is that of a float64 brute force over the rows as they are stored.

        Args:
            queries: Need not be of length 1; a zero query has cosine 0 with everything.
            k: At least 1.
            threads: None for all that this process may use.

        Raises:
            TypeError: The numbers are not floats.
            ValueError: The width is another than the index has, or a query holds NaN or infinity.
        """
        wanted = unit_rows(np.atleast_2d(np.asarray(queries)))
        if wanted.shape[1] != self.width:
            raise ValueError(
                f"queries have width {wanted.shape[1]}, but the index has width {self.width}; "
                "embed both with the same model"
            )
        n_threads = usable_threads() if threads is None else threads
        ids, cosines = topk(wanted, self._rows, k, threads=n_threads)
        # Rounding a row to float32 can leave it a trifle longer than 1.
        return Hits(ids=ids, cosines=np.clip(cosines, -1, 1, out=cosines))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to `path`: the whole file appears there at once, or none of it."""
        write_rows(Path(path), self._rows)

    def verify(self) -> None:
        """Read all rows of an opened index; IndexFileError if one changed since it was saved."""
        if self._origin is not None:
            check_rows(self._origin.header, self._rows, self._origin.path)
