"""Exact search over more rows than one machine holds: shards of an index as Ray actors.

Each shard is a folder made by `Index.write` or `Index.save`, on the machine that searches it:

    from twinlens.integrations.sharded_index import ShardedIndex

    index = ShardedIndex.open(["part-0.index", "part-1.index"])
    hits = index.search(model.embed_texts(["a red apple"]), k=10)
    print(hits.ids, hits.cosines)
"""

import os
import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinlens.errors import IdError
from twinlens.index.filters import Filter
from twinlens.index.hits import Hits, RangeHits
from twinlens.index.ids import Ids, IdsLike, kind_of, read_ids, require_kind, show_id
from twinlens.index.query import read_cosine, read_queries
from twinlens.integrations.shards.actors import Shard, ShardActors
from twinlens.integrations.shards.layout import ShardLayout
from twinlens.integrations.shards.merge import merge_ranges, merge_topk
from twinlens.integrations.shards.shard import ShardHits, ShardState
from twinlens.integrations.shards.wanted_rows import WantedRows
from twinlens.normalization import read_floats
from twinlens_kernels.validation import require_positive

I64 = NDArray[np.int64]


class ShardedIndex:
    """Index whose rows are spread over shards: row r of shard s is row `starts[s] + r` of all.

    Its answers are those of one `Index` of all rows in this order: ids, rows, order and cosines,
    to the last bit. Without ids, the rows of all serve as ids. No id may be in two shards.

    An actor that ends while it searches is started anew, opens its folder again and answers: the
    answer is whole, or it is an error. Shards have one writer: this object, or none.
    """

    def __init__(self, actors: ShardActors, states: Sequence[ShardState]) -> None:
        self._actors, self._layout = actors, ShardLayout.of(states)
        self._writing = threading.Lock()

    @classmethod
    def open(
        cls,
        shards: Sequence[str | os.PathLike[str] | Shard],
        *,
        threads: int = 1,
        num_cpus: float | None = None,
        timeout_s: float = 60,
    ) -> Self:
        """Start an actor a shard on the running Ray, or on one of this machine's.

        Args:
            shards: folders in the order of their rows, which must be readable where the actor
                runs; `Shard` also says on which machines it may.
            threads: threads of a shard.
            num_cpus: CPUs that Ray sets aside for a shard; as many as threads by default.
            timeout_s: longest wait for an answer of all shards, an actor's start included.

        Raises:
            IndexFileError: a folder is no index, or is damaged; or widths, kinds of ids or `about`
                of two shards differ.
            OSError: a folder cannot be read.
            ShardError: an actor did not start in time.
            ValueError: there is no shard.
        """
        require_positive("threads", threads)
        places = [shard if isinstance(shard, Shard) else Shard(path=shard) for shard in shards]
        if not places:
            raise ValueError("there is no shard; give the folder of at least one")
        actors = ShardActors.start(
            places,
            threads=threads,
            num_cpus=threads if num_cpus is None else num_cpus,
            timeout_s=timeout_s,
        )
        try:
            return cls(actors, actors.ask("state", own=[None] * len(actors)))
        except BaseException:
            actors.end()
            raise

    def __len__(self) -> int:
        """Return the number of rows, without removed ones."""
        return self._layout.n_live

    def __repr__(self) -> str:
        n_shards = len(self._actors)
        return f"ShardedIndex({len(self)} rows of width {self.width} in {n_shards} shards)"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def width(self) -> int:
        """D, the width of a row."""
        return self._layout.states[0].width

    @property
    def n_rows(self) -> int:
        """N, including removed rows: a mask has N items."""
        return int(self.starts[-1])

    @property
    def starts(self) -> I64:
        """[S + 1], the first row of each of S shards, and N."""
        return self._layout.starts

    @property
    def about(self) -> Mapping[str, str]:
        """Metadata of the rows, the same in each shard."""
        return MappingProxyType(dict(self._layout.states[0].about))

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        filter: Filter | None = None,  # noqa: A002 - as in `Index.search`
    ) -> Hits:
        """Find the k nearest rows of all shards, as `Index.search` does.

        Raises:
            IdError: an id of the filter is unknown, removed, of another kind or in two shards.
            ShardError: a shard ended for good, did not answer in time, or has changed.
            TypeError: as `Index.search`.
            ValueError: as `Index.search`.
        """
        require_positive("k", k)
        layout = self._layout
        wanted = WantedRows.of(layout, filter)
        unit = read_queries(queries, self.width)
        found: list[ShardHits] = self._actors.ask("topk", unit, int(k), own=wanted.parts)
        wanted.require(found)
        return merge_topk(found, layout.offsets(found), int(k))

    def search_within(
        self,
        queries: ArrayLike,
        cosine: float,
        *,
        filter: Filter | None = None,  # noqa: A002 - as in `Index.search`
    ) -> RangeHits:
        """Find all rows with a cosine of at least `cosine`, as `Index.search_within` does.

        Raises:
            IdError: as `search`.
            ShardError: as `search`.
            TypeError: as `Index.search_within`.
            ValueError: as `Index.search_within`.
        """
        floor, layout = read_cosine(cosine), self._layout
        wanted = WantedRows.of(layout, filter)
        unit = read_queries(queries, self.width)
        found: list[ShardHits] = self._actors.ask("within", unit, floor, own=wanted.parts)
        wanted.require(found)
        return merge_ranges(found, layout.offsets(found))

    def shards_of(self, ids: IdsLike) -> I64:
        """Return the number of the shard [M] that holds each id.

        Raises:
            IdError: an id is unknown, removed, of another kind or in two shards.
            ShardError: as `search`.
        """
        return self._locate(ids)[0]

    def add(self, embeddings: ArrayLike, ids: IdsLike | None = None) -> None:
        """Append rows [n, D] to the last shard in one commit, so that no row gets another number.

        When it is full, write the next one by `Index.write`, and open all of them.

        Raises:
            IdError: an id is given twice, is in a shard already, or is of another kind.
            IndexBusyError: another writer is at work, or was since the shards were opened.
            ShardError: the shard ended or did not answer in time: open the shards again, and see
                by `n_rows` or `shards_of` if the rows were added.
            TypeError: as `Index.add`.
            ValueError: as `Index.add`.
        """
        rows = read_floats(embeddings)
        given = None if ids is None else read_ids(ids)
        with self._writing:
            if self.n_rows:
                require_kind(kind_of(given), self._layout.ids)
            if given is not None and len(given):
                self._refuse_held(given)
            last = len(self._actors) - 1
            state: ShardState = self._actors.change(last, "add", rows, given)
            self._layout = self._layout.after(last, state)

    def remove(self, ids: IdsLike) -> None:
        """Remove the rows of these ids, or of these row numbers if there are no ids.

        Each shard commits its own part; all ids are looked up before the first does.

        Raises:
            IdError: an id is unknown, removed already, or of another kind: none is removed.
            IndexBusyError: another writer is at work, or was since the shards were opened.
            ShardError: a shard ended or did not answer in time: its part may be removed or not.
        """
        with self._writing:
            shards, rows = self._locate(ids)
            for shard in np.unique(shards).tolist():
                state = self._actors.change(shard, "remove", rows[shards == shard])
                self._layout = self._layout.after(shard, state)

    def close(self) -> None:
        """End the actors; the folders stay."""
        self._actors.end()

    def _locate(self, ids: IdsLike) -> tuple[I64, I64]:
        """Return the shard [M] of each id, and its row [M] there."""
        given = self._layout.read_ids(ids)
        rows = np.stack(self._actors.ask("rows_of", own=self._layout.ids_of_shards(given)))
        self._layout.require_ids(given, rows >= 0)
        shards = np.argmax(rows >= 0, axis=0)
        return shards, rows[shards, np.arange(len(shards))]

    def _refuse_held(self, ids: Ids) -> None:
        """Refuse new ids that a shard holds; the last one sees to its own."""
        held = np.stack(self._actors.ask("rows_of", own=self._layout.ids_of_shards(ids))) >= 0
        if held.any():
            shard, place = np.argwhere(held)[0].tolist()
            raise IdError(
                f"id {show_id(ids, place)} is in shard {shard} already; leave it out, or remove "
                "its row first"
            )
