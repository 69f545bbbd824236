"""Contents of folders of embeddings, compared to the bit."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

Stored = dict[str, tuple[bytes | None, str | None]]
"""By name, the bytes of the row and the reason of the loss."""


def contents(folder: Path) -> tuple[Stored, int]:
    """Return all items of the parts, and the number of names that were there before.

    Each visible part must be a whole Parquet file; pyarrow raises for another.
    """
    found: Stored = {}
    repeated = 0
    for part in sorted(folder.glob("*.parquet")):
        table = pq.read_table(part, page_checksum_verification=True)
        lists = table["embedding"].combine_chunks()
        lists = lists.chunk(0) if hasattr(lists, "chunk") else lists
        values = np.asarray(lists.values.to_numpy(zero_copy_only=False))
        rows = values.reshape(-1, lists.type.list_size)
        reasons = table["lost"].to_pylist()
        for name, row, reason in zip(table["name"].to_pylist(), rows, reasons, strict=True):
            repeated += name in found
            found[name] = (None if reason is not None else row.tobytes(), reason)
    return found, repeated


def differences(found: Stored, wanted: Stored) -> dict[str, int]:
    """Return the counts of missing, foreign and other items."""
    return {
        "missing": len(wanted.keys() - found.keys()),
        "foreign": len(found.keys() - wanted.keys()),
        "other": sum(found[name] != wanted[name] for name in found.keys() & wanted.keys()),
    }
