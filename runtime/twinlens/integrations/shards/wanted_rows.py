"""Rows that a search over shards may return, as each shard is asked for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from twinlens.index.filters import Filter, read_filter, require_mask
from twinlens.index.ids import Ids
from twinlens.integrations.shards.layout import ShardLayout
from twinlens.integrations.shards.shard import ShardFilter, ShardHits


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRows:
    """Filter of a search, as each shard is given it."""

    layout: ShardLayout
    parts: Sequence[ShardFilter]
    ids: Ids | None = None

    @classmethod
    def of(cls, layout: ShardLayout, wanted: Filter | None) -> Self:
        """Read a filter over all rows.

        Raises:
            IdError: the ids are of another kind than those of the shards.
            TypeError: the filter is neither bools nor ids.
            ValueError: a mask does not have one bool a row.
        """
        if wanted is None:
            return cls(layout=layout, parts=[ShardFilter()] * len(layout.states))
        mask, column = read_filter(wanted)
        if mask is None:
            ids = layout.read_ids(column)
            if len(ids):
                return cls(
                    layout=layout,
                    parts=[ShardFilter(ids=own) for own in layout.ids_of_shards(ids)],
                    ids=ids,
                )
            mask = np.zeros(layout.starts[-1], dtype=np.bool_)
        require_mask(mask, int(layout.starts[-1]))
        parts = np.split(mask, layout.starts[1:-1])
        return cls(layout=layout, parts=[ShardFilter(mask=part) for part in parts])

    def require(self, found: Sequence[ShardHits]) -> None:
        """Refuse a filter with an id that is not in exactly one shard.

        Raises:
            IdError: names the first of them.
        """
        if self.ids is not None:
            held = [part.allowed for part in found if part.allowed is not None]
            self.layout.require_ids(self.ids, np.stack(held))
