"""Exact search over shards beside the single index: equal answers, and the time between them."""

import time
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import ray

import twinlens
from bench.harness.timing import rounds_in_turn
from bench.search.corpus import corpus_file, queries
from twinlens.integrations.sharded_index import ShardedIndex

SHARDS: Final = 4
WIDTH: Final = 512
CORES: Final = 2


def prepare_sharded(folder: Path, *, rows_a_shard: int) -> list[Path]:
    """Return the folders of the index and of its shards, which are made if they are not there."""
    n_rows = SHARDS * rows_a_shard
    places = [folder / f"{n_rows}-{name}.index" for name in ("whole", *range(SHARDS))]
    if not places[-1].exists():
        rows = np.load(corpus_file(folder, n_rows, WIDTH), mmap_mode="r")
        for place, part in zip(places, (rows, *np.split(rows, SHARDS)), strict=True):
            twinlens.Index.write(place, part)
    return places


def measure_sharded(folder: Path, *, rows_a_shard: int, rounds: int) -> dict[str, Any]:
    """Return ms of a search by one index and by its shards, for one query and for many."""
    places = prepare_sharded(folder, rows_a_shard=rows_a_shard)
    whole = twinlens.Index.open(places[0])
    ray.init(
        num_cpus=SHARDS,
        include_dashboard=False,
        object_store_memory=500_000_000,
        logging_level="error",
        log_to_driver=False,
    )
    begun = time.perf_counter()
    with ShardedIndex.open(places[1:]) as sharded:
        opened_s = time.perf_counter() - begun
        cells = [
            _cell(whole, sharded, n_queries, rounds=least * rounds)
            for n_queries, least in ((1, 20), (16, 8), (256, 3))
        ]
    ray.shutdown()
    return {
        "shards": SHARDS,
        "rows": SHARDS * rows_a_shard,
        "width": WIDTH,
        "threads_of_the_index": CORES,
        "opened_s": round(opened_s, 2),
        "searches": cells,
    }


def _cell(
    whole: twinlens.Index, sharded: ShardedIndex, n_queries: int, *, rounds: int
) -> dict[str, Any]:
    asked = queries(n_queries, WIDTH, "text")
    one, many = whole.search(asked, 10, threads=CORES), sharded.search(asked, 10)
    floor = float(one.cosines[0, -1])
    near = [index.search_within(asked[:1], floor) for index in (whole, sharded)]
    equal = all(
        np.array_equal(left, right)
        for left, right in (
            (one.ids, many.ids),
            (one.cosines, many.cosines),
            (near[0].ids, near[1].ids),
        )
    )
    spent = rounds_in_turn(
        {
            "one index": lambda: whole.search(asked, 10, threads=CORES),
            "shards": lambda: sharded.search(asked, 10),
        },
        rounds=rounds + 1,
    )
    ms = {way: [one.wall_ms for one in times] for way, times in spent.items()}
    return {
        "queries": n_queries,
        "equal": equal,
        "one_index_ms": round(median(ms["one index"]), 3),
        "shards_ms": round(median(ms["shards"]), 3),
        "overhead_ms": round(median(np.subtract(ms["shards"], ms["one index"])), 3),
        "times": round(median(np.divide(ms["shards"], ms["one index"])), 3),
    }
