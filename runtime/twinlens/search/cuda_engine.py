"""Exact top-k where the corpus lies on a device in half precision."""

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
from twinlens_kernels.float16_rows import HalfBounds, HalfQueries, to_halves
from twinlens_kernels.graphs.nearest import NEAREST, cuts, padded_rows

logger = logging.getLogger(__name__)

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

CHUNK_BYTES: Final = 2**31
"""Of halves a run reads: enough for the reading to hide what starting a run costs."""
_RUN_SCORES: Final = 2**28
"""Scores that one run makes: half a gigabyte, and as much again while they are masked."""
_KEPT_PER_HIT, _KEPT_MORE = 4, 128
"""Candidates that a chunk gives: this many a hit, and at least this many more than the hits."""
_RETRY, _MOST_KEPT = 8, 8192
"""Where they do not settle a query: so many times more, up to so many; then the host searches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """Rows on the device, padded to a count that splits into groups."""

    start: int
    stop: int
    rows: OnDevice
    """[N, D], the rows start to stop, then zeros."""
    allowed: OnDevice
    """[1, N], False for the zeros."""
    bounds: HalfBounds

    def masked(self, allowed: Mask | None) -> OnDevice | Mask | None:
        """Which of its rows may be found [1, N]; None if none may."""
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
    """The best rows [K] of float32 rows [N, D] for each query, exactly as `twinlens_kernels.topk`.

    The rows lie on the device as halves, 2 D bytes a row, in chunks. A program (NEAREST) gives the
    candidates of each chunk and only they come back; the host rescores them from the float32 rows,
    which may be memory-mapped. What is left out is bounded (halves.py): if the last hit does not
    beat that bound, the query is asked again for more candidates, and at last is searched by the
    kernels on the host. So the answer is exact on any finite input, and the input decides how fast.

    It is a `Searcher`: an index keeps one beside its rows, and calls `topk` with its mask of
    filtered and removed rows. Rows that are added want a new one.
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
            device: where the program runs.
            codes: those of the same rows: what the host searches, it then searches faster.
            device_bytes: how much of the device the halves may take; the rows beyond stay with the
                host, whose kernels read codes faster than any bus would bring the halves. None for
                all rows.
            chunk_bytes: halves that one run reads. If the device has no room, it is halved once.

        Raises:
            ValueError: a row is not finite.
            DeviceMemoryError: the device has no room.
            ProviderError: the device does not work.
        """
        self._rows, self._codes = rows, codes
        self._session = Session(
            NEAREST.content, device=device, threads=1, name=f"the search on {device}"
        )
        try:
            self._session.require_placement()
        except ProviderError as error:
            logger.warning("the search is slower than it need be, for %s", error)
        row_bytes = 2 * rows.shape[1]
        room = len(rows) if device_bytes is None else min(len(rows), device_bytes // row_bytes)
        step = max(1, chunk_bytes // row_bytes)
        try:
            self._chunks = tuple(self._upload(room, step))
        except DeviceMemoryError as error:
            logger.warning("smaller chunks, for %s", error)
            try:
                self._chunks = tuple(self._upload(room, max(1, step // 2)))
            except DeviceMemoryError as again:
                raise DeviceMemoryError(
                    f"{device} has no room for {room} rows of {row_bytes} bytes ({again}); "
                    "pass device_bytes, what its memory has to spare"
                ) from again
        self._held = room

    def __len__(self) -> int:
        return len(self._rows)

    def topk(
        self, queries: F32, k: int, *, allowed: Mask | None = None, threads: int = 1
    ) -> tuple[NDArray[np.int64], F32]:
        """Ids [Q, K] and scores [Q, K], as every `Searcher` gives them."""
        require_search(queries, self._rows, k, allowed, threads)
        n_allowed = len(self) if allowed is None else int(np.count_nonzero(allowed))
        hits = min(k, n_allowed)
        ids = np.empty((len(queries), hits), dtype=np.int64)
        scores = np.empty((len(queries), hits), dtype=np.float32)
        unsettled = np.arange(len(queries) if hits else 0)
        kept = max(_KEPT_PER_HIT * hits, hits + _KEPT_MORE)
        while unsettled.size and kept <= _MOST_KEPT:
            asked = queries[unsettled]
            ranking = self._shortlist(asked, hits, kept, allowed, threads).rank(
                asked, self._rows, hits, threads=threads
            )
            settled = unsettled[ranking.certain]
            ids[settled] = ranking.ids[ranking.certain]
            # Beyond float32 a score is reported as infinite; its place is still exact.
            with np.errstate(over="ignore"):
                scores[settled] = ranking.scores[ranking.certain]
            unsettled = unsettled[~ranking.certain]
            kept *= _RETRY
        if unsettled.size:
            logger.info("%d queries are searched on the host", unsettled.size)
            ids[unsettled], scores[unsettled] = topk(
                queries[unsettled], self._rows, k,
                codes=self._codes, allowed=allowed, threads=threads,
            )  # fmt: skip
        return ids, scores

    def _upload(self, room: int, step: int) -> Iterator[_Chunk]:
        for start in range(0, room, step):
            stop = min(room, start + step)
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
        """Candidates of every chunk, and the best of the rows that are not on the device."""
        prepared = HalfQueries.of(queries)
        try:
            parts = list(self._candidates(prepared, kept, allowed, _RUN_SCORES))
        except DeviceMemoryError as error:
            logger.warning("fewer queries at a time, for %s", error)
            parts = list(self._candidates(prepared, kept, allowed, _RUN_SCORES // 2))
        if self._held < len(self):
            parts.append(self._beyond(queries, hits, allowed, threads))
        return Shortlist.merge(parts)

    def _candidates(
        self, queries: HalfQueries, kept: int, allowed: Mask | None, run_scores: int
    ) -> Iterator[Shortlist]:
        for chunk in self._chunks:
            mask = chunk.masked(allowed)
            if mask is None:
                continue
            step = max(1, run_scores // chunk.rows.shape[0])
            blocks = [
                self._ask(chunk, queries.block(slice(start, start + step)), kept, mask)
                for start in range(0, len(queries), step)
            ]
            yield Shortlist.join(blocks)

    def _ask(
        self, chunk: _Chunk, queries: HalfQueries, kept: int, mask: OnDevice | Mask
    ) -> Shortlist:
        """The candidates of one run."""
        n_rows = chunk.rows.shape[0]
        feeds = {
            "queries": queries.halves,
            "rows": chunk.rows,
            "allowed": mask,
            **cuts(len(queries), n_rows, kept),
        }
        scores, places = self._session.run_bound(feeds, ("scores", "places"))
        margins, units = queries.margins(chunk.bounds), queries.units(chunk.bounds)
        uppers = (scores + margins[:, None]) * units[:, None]
        whole = scores.shape[1] == n_rows
        return Shortlist(
            rows=places + chunk.start,
            uppers=uppers,
            ceilings=np.full(len(uppers), -np.inf) if whole else uppers.min(axis=1),
        )

    def _beyond(self, queries: F32, hits: int, allowed: Mask | None, threads: int) -> Shortlist:
        """The best rows of those that are not on the device, by the kernels of the host."""
        rest = slice(self._held, None)
        rows = self._rows[rest]
        ids, _ = topk(
            queries, rows, hits,
            codes=None if self._codes is None else self._codes[rest],
            allowed=None if allowed is None else allowed[rest],
            threads=threads,
        )  # fmt: skip
        return Shortlist(
            rows=ids + self._held,
            uppers=rescore(queries, rows, ids, threads=threads),
            # The others are beaten by as many rows as there are hits, ties included.
            ceilings=np.full(len(ids), -np.inf),
        )
