"""Search engine of CUDA: exact top-k over a corpus in half precision on the device."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import DeviceMemoryError, ProviderError
from twinlens.ort.device import Device
from twinlens.ort.io_binding import OnDevice
from twinlens.ort.session import Session
from twinlens.search.engine import require_search
from twinlens.search.shortlist import Shortlist
from twinlens_kernels import Codes, rescore, topk
from twinlens_kernels.encoding.float16_rows import HalfBounds, HalfQueries, to_halves
from twinlens_kernels.graphs.nearest import NEAREST, cuts, padded_rows

logger = logging.getLogger(__name__)

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

CHUNK_BYTES: Final = 2**31
"""Halves read by one run: enough for the reading to hide the cost of starting a run."""
_RUN_SCORES: Final = 2**28
"""Scores of one run: half a gigabyte, and as much again while they are masked."""
_KEPT_PER_HIT, _KEPT_MORE = 4, 128
"""Candidates of a chunk: 4 a hit, and at least 128 more than the hits."""
_RETRY, _MOST_KEPT = 8, 8192
"""If a query stays uncertain: 8 times as many candidates, at most 8192; then the CPU searches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """Rows on the device, padded to a number that divides into groups."""

    start: int
    stop: int
    rows: OnDevice
    """[N, D], rows start to stop, then zeros."""
    allowed: OnDevice
    """[1, N], False for the padding."""
    bounds: HalfBounds

    def mask(self, allowed: Mask | None) -> OnDevice | Mask | None:
        """Return the mask [1, N] of the chunk's allowed rows; None if no row is allowed."""
        if allowed is None:
            return self.allowed
        part = allowed[self.start : self.stop]
        if part.all():
            return self.allowed
        if not part.any():
            return None
        mask = np.zeros(self.allowed.shape, dtype=np.bool_)
        mask[0, : len(part)] = part
        return mask


class CudaEngine:
    """`SearchEngine` of float32 rows [N, D] by CUDA.

    The device holds the rows as halves, 2 D bytes a row, in chunks. An ONNX model (NEAREST) returns
    the candidates of each chunk; the CPU rescores them from the float32 rows, which may be
    memory-mapped. The scores of all other rows are bounded (float16_rows.py): if the last hit does
    not beat that bound, the query is run again with more candidates, and at last is searched by the
    kernels on the CPU. So the result is exact on any finite input; only the speed depends on it.

    An index keeps an engine beside its rows, and calls `topk` with its mask of filtered and removed
    rows. Added rows need a new engine.
    """

    def __init__(
        self,
        rows: F32,
        *,
        device: Device,
        codes: Codes | None = None,
        device_bytes: int | None = None,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        """Copy the rows to the device.

        Args:
            rows: [N, D], finite; kept for rescoring.
            device: where the model runs.
            codes: codes of the same rows, which make the CPU's share of a search faster.
            device_bytes: device memory for the halves; the remaining rows stay on the CPU, whose
                kernels read codes faster than any bus transfers halves. None for all rows.
            chunk_bytes: halves read by one run. If the device is out of memory, it is halved once.

        Raises:
            ValueError: a row is not finite.
            DeviceMemoryError: the device is out of memory.
            ProviderError: the device does not work.
        """
        self._rows, self._codes = rows, codes
        self._session = _open_session(device)
        row_bytes = 2 * rows.shape[1]
        n_rows = len(rows) if device_bytes is None else min(len(rows), device_bytes // row_bytes)
        self._n_on_device = n_rows
        step = max(1, chunk_bytes // row_bytes)
        try:
            self._chunks = tuple(self._upload(step))
        except DeviceMemoryError as error:
            logger.warning("smaller chunks, for %s", error)
            try:
                self._chunks = tuple(self._upload(max(1, step // 2)))
            except DeviceMemoryError as again:
                raise DeviceMemoryError(
                    f"{device} is out of memory for {n_rows} rows of {row_bytes} bytes ({again}); "
                    "pass device_bytes, the memory that it can spare"
                ) from again

    def __len__(self) -> int:
        return len(self._rows)

    def topk(
        self, queries: F32, k: int, *, allowed: Mask | None = None, threads: int = 1
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return ids and scores [Q, K] as every `SearchEngine` does."""
        require_search(queries, self._rows, k, allowed, threads)
        n_allowed = len(self) if allowed is None else int(np.count_nonzero(allowed))
        hits = min(k, n_allowed)
        ids = np.empty((len(queries), hits), dtype=np.int64)
        scores = np.empty((len(queries), hits))
        uncertain = np.arange(len(queries) if hits else 0)
        kept = max(_KEPT_PER_HIT * hits, hits + _KEPT_MORE)
        while uncertain.size and kept <= _MOST_KEPT:
            remaining = queries[uncertain]
            ranking = self._shortlist(remaining, hits, kept, allowed, threads).rank(
                remaining, self._rows, hits, threads=threads
            )
            certain = uncertain[ranking.certain]
            ids[certain] = ranking.ids[ranking.certain]
            scores[certain] = ranking.scores[ranking.certain]
            uncertain = uncertain[~ranking.certain]
            kept *= _RETRY
        if uncertain.size:
            logger.info("%d queries are searched on the CPU", uncertain.size)
            ids[uncertain], scores[uncertain] = topk(
                queries[uncertain], self._rows, k,
                codes=self._codes, allowed=allowed, threads=threads,
            )  # fmt: skip
        return ids, scores

    def _upload(self, step: int) -> Iterator[_Chunk]:
        for start in range(0, self._n_on_device, step):
            stop = min(self._n_on_device, start + step)
            halves = np.zeros((padded_rows(stop - start), self._rows.shape[1]), dtype=np.float16)
            _, bounds = to_halves(
                self._rows[start:stop], first_row=start, out=halves[: stop - start]
            )
            allowed = np.arange(len(halves))[None] < stop - start
            yield _Chunk(
                start=start,
                stop=stop,
                rows=self._session.upload(halves),
                allowed=self._session.upload(allowed),
                bounds=bounds,
            )

    def _shortlist(
        self, queries: F32, hits: int, kept: int, allowed: Mask | None, threads: int
    ) -> Shortlist:
        """Return the candidates of every chunk, and the best of the rows that stay on the CPU."""
        prepared = HalfQueries.of(queries)
        try:
            parts = list(self._candidates(prepared, kept, allowed, _RUN_SCORES))
        except DeviceMemoryError as error:
            logger.warning("fewer queries at a time, for %s", error)
            parts = list(self._candidates(prepared, kept, allowed, _RUN_SCORES // 2))
        if self._n_on_device < len(self):
            parts.append(self._cpu_shortlist(queries, hits, allowed, threads))
        return Shortlist.merge(parts)

    def _candidates(
        self, queries: HalfQueries, kept: int, allowed: Mask | None, run_scores: int
    ) -> Iterator[Shortlist]:
        for chunk in self._chunks:
            mask = chunk.mask(allowed)
            if mask is None:
                continue
            step = max(1, run_scores // chunk.rows.shape[0])
            blocks = [
                self._run(chunk, queries.block(slice(start, start + step)), kept, mask)
                for start in range(0, len(queries), step)
            ]
            yield Shortlist.join(blocks)

    def _run(
        self, chunk: _Chunk, queries: HalfQueries, kept: int, mask: OnDevice | Mask
    ) -> Shortlist:
        """Run the model once and return the candidates."""
        n_rows = chunk.rows.shape[0]
        feeds = {
            "queries": queries.halves,
            "rows": chunk.rows,
            "allowed": mask,
            **cuts(len(queries), n_rows, kept),
        }
        scores, positions = self._session.run_bound(feeds, ("scores", "places"))
        margins, units = queries.margins(chunk.bounds), queries.units(chunk.bounds)
        uppers = (scores + margins[:, None]) * units[:, None]
        whole = scores.shape[1] == n_rows
        return Shortlist(
            rows=positions + chunk.start,
            uppers=uppers,
            ceilings=np.full(len(uppers), -np.inf) if whole else uppers.min(axis=1),
        )

    def _cpu_shortlist(
        self, queries: F32, hits: int, allowed: Mask | None, threads: int
    ) -> Shortlist:
        """Return the best of the rows that are not on the device, by the kernels on the CPU."""
        rest = slice(self._n_on_device, None)
        rows = self._rows[rest]
        ids, _ = topk(
            queries, rows, hits,
            codes=None if self._codes is None else self._codes[rest],
            allowed=None if allowed is None else allowed[rest],
            threads=threads,
        )  # fmt: skip
        return Shortlist(
            rows=ids + self._n_on_device,
            uppers=rescore(queries, rows, ids, threads=threads),
            # As many rows as there are hits beat all others, ties included.
            ceilings=np.full(len(ids), -np.inf),
        )


def _open_session(device: Device) -> Session:
    """Open the model of the search; warns if a node of it runs elsewhere."""
    session = Session(NEAREST.content, device=device, threads=1, name=f"the search on {device}")
    try:
        session.require_placement()
    except ProviderError as error:
        logger.warning("the search is slower than it need be, for %s", error)
    return session
