"""Layout of an index over its shards: the rows of each, and the shard of an id."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import IdError, IndexFileError, ShardError
from twinlens.index.arrays.layout import IdKind
from twinlens.index.ids import (
    Ids,
    IdsLike,
    kind_of,
    read_ids,
    refuse_mask,
    require_found,
    require_kind,
    show_id,
)
from twinlens.integrations.shards.shard import ShardHits, ShardState

I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardLayout:
    """Shards of this moment, and the rows at which each begins."""

    states: tuple[ShardState, ...]
    starts: I64
    """[S + 1]"""

    @classmethod
    def of(cls, states: Sequence[ShardState]) -> Self:
        """Return the layout of shards that agree.

        Raises:
            IndexFileError: width, kind of ids or `about` of two shards differ.
        """
        first = states[0]
        filled = next((state for state in states if state.n_rows), first)
        for number, state in enumerate(states):
            # A shard without rows has no kind of ids yet.
            other = filled if state.n_rows else replace(filled, ids=state.ids)
            for what in ("width", "ids", "about"):
                if getattr(state, what) != getattr(other, what):
                    raise IndexFileError(
                        f"shard {number} has {what} {getattr(state, what)!r}, others "
                        f"{getattr(other, what)!r}; write all shards alike, with one model"
                    )
        starts = np.cumsum([0, *(state.n_rows for state in states)], dtype=np.int64)
        return cls(states=tuple(states), starts=starts)

    @property
    def ids(self) -> IdKind:
        """Kind of the ids of all shards with rows."""
        return next((state.ids for state in self.states if state.n_rows), "none")

    @property
    def n_live(self) -> int:
        """Rows without the removed ones."""
        return sum(state.n_live for state in self.states)

    def after(self, shard: int, state: ShardState) -> Self:
        """Return the layout after a change of one shard."""
        return self.of([*self.states[:shard], state, *self.states[shard + 1 :]])

    def offsets(self, found: Sequence[ShardHits]) -> list[int]:
        """Return the first row of each shard, if all answered from the rows that were opened.

        Raises:
            ShardError: a shard has other files, or another number of rows.
        """
        for number, (opened, part) in enumerate(zip(self.states, found, strict=True)):
            now = part.state
            # The last shard may grow during a search: no number of a row depends on its size.
            may_grow = number + 1 == len(found) and now.n_rows > opened.n_rows
            if now.files != opened.files or (now.n_rows != opened.n_rows and not may_grow):
                raise ShardError(
                    f"shard {number} has {now.n_rows:,} rows, and had {opened.n_rows:,} of its "
                    "files when it was opened: another writer changed it; open the shards again"
                )
        offsets: list[int] = self.starts[:-1].tolist()
        return offsets

    def read_ids(self, ids: IdsLike) -> Ids:
        """Read ids of the kind of the shards.

        Raises:
            IdError: they are of another kind, or look like a mask.
        """
        given = read_ids(ids)
        if not len(given):
            return given
        refuse_mask(given, n_rows=int(self.starts[-1]), n_live=self.n_live)
        if self.ids != "none" or isinstance(given, list):
            require_kind(kind_of(given), self.ids)
        return given

    def ids_of_shards(self, ids: Ids) -> list[Ids]:
        """Return the ids as each shard knows them: its own row numbers where there are no ids."""
        if self.ids != "none" or isinstance(ids, list):
            return [ids] * len(self.states)
        return [ids - start for start in self.starts[:-1]]

    def require_ids(self, ids: Ids, held: NDArray[np.bool_]) -> None:
        """Refuse ids that are not in exactly one shard.

        Args:
            ids: [M].
            held: [S, M], True for the ids of a shard.

        Raises:
            IdError: names the first of them.
        """
        counts = held.sum(axis=0)
        require_found(ids, np.where(counts > 0, 0, -1), self.ids)
        if (counts > 1).any():
            place = int(np.argmax(counts > 1))
            first, second = np.flatnonzero(held[:, place])[:2].tolist()
            raise IdError(
                f"id {show_id(ids, place)} is in shard {first} and in shard {second}; remove it "
                "from one, by `Index.remove` on its folder"
            )
