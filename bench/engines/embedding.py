"""Pictures embedded by the library in one process, by Ray Data and by Daft, on the same cores.

A run of an engine has a price at its beginning (its processes start, and each opens the model), and
a rate after it. Two runs of different size tell both: the rate is that of the rows that the larger
one has more.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import daft
import numpy as np
import pyarrow as pa
import ray

import twinlens
from bench.engines.pictures import n_torn, write_pictures
from twinlens.integrations.daft import embed
from twinlens.integrations.embedding_job import EmbeddingJob
from twinlens.integrations.ray_data import Embedder

WORKERS: Final = 2
JOB: Final = EmbeddingJob("demo", image="image", name="name")
Table = dict[str, tuple[np.ndarray | None, str | None]]
"""Row and reason of each name."""


def measure_embedding(folder: Path, *, sizes: tuple[int, int], rounds: int) -> dict[str, Any]:
    """Return pictures a second of each way, and the largest difference of its rows from ours."""
    files = {size: write_pictures(folder, size) for size in sizes}
    _start_ray()
    seconds: dict[str, dict[int, list[float]]] = {way: {n: [] for n in sizes} for way in WAYS}
    wanted: pa.Table | None = None
    found: dict[str, dict[str, Any]] = {}
    for _ in range(rounds):
        for way, run in WAYS.items():
            for size in sizes:
                begun = time.perf_counter()
                table = run(files[size])
                seconds[way][size].append(time.perf_counter() - begun)
                _require_whole(table, size)
            table = table.sort_by("name")
            wanted = table if wanted is None else wanted
            found[way] = {"largest_difference": _difference(table, wanted)}
    ray.shutdown()
    rates = {way: _rates(seconds[way], sizes) for way in WAYS}
    return {
        "pictures": sizes[1],
        "torn": n_torn(sizes[1]),
        "ways": [
            {"way": way, **rates[way], **found[way], **_shares(rates[way], rates["in one process"])}
            for way in WAYS
        ],
    }


def _in_process(files: Sequence[Path]) -> pa.Table:
    model = twinlens.load(JOB.bundle, threads=WORKERS)
    images = (image for file in files for image in twinlens.read_images(file, column="image"))
    named = (twinlens.NamedImage(f"{n}.png", image.image) for n, image in enumerate(images))
    names, rows, lost = [], [], []
    for block in model.stream_images(named, on_error="nan"):
        names += block.names
        rows.append(block.rows)
        lost += [one.name for one in block.lost]
    reasons = [name if name in set(lost) else None for name in names]
    numbers = pa.array(np.concatenate(rows).reshape(-1))
    embeddings = pa.FixedSizeListArray.from_arrays(numbers, model.width)
    return pa.table({"name": names, "embedding": embeddings, "lost": reasons})


def _by_ray(files: Sequence[Path]) -> pa.Table:
    source = ray.data.read_parquet([str(file) for file in files], override_num_blocks=32)
    rows = source.map_batches(
        Embedder,
        fn_constructor_args=[JOB],
        compute=ray.data.ActorPoolStrategy(size=WORKERS),
        num_cpus=0.5,
        batch_size=256,
        batch_format="pyarrow",
    )
    return pa.concat_tables(list(rows.iter_batches(batch_size=None, batch_format="pyarrow")))


def _by_daft(files: Sequence[Path]) -> pa.Table:
    source = daft.read_parquet([str(file) for file in files])
    return embed(source, JOB, processes=WORKERS).to_arrow()


WAYS: Final[dict[str, Callable[[Sequence[Path]], pa.Table]]] = {
    "in one process": _in_process,
    "Ray Data": _by_ray,
    "Daft": _by_daft,
}


def _start_ray() -> None:
    ray.init(
        num_cpus=2 * WORKERS,
        include_dashboard=False,
        object_store_memory=500_000_000,
        logging_level="error",
        log_to_driver=False,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False


def _require_whole(table: pa.Table, n_pictures: int) -> None:
    lost = table.num_rows - table["lost"].null_count
    if (table.num_rows, lost) != (n_pictures, n_torn(n_pictures)):
        raise AssertionError(f"{table.num_rows} rows, {lost} lost, of {n_pictures} pictures")


def _difference(table: pa.Table, wanted: pa.Table) -> float:
    """Return the largest difference of a number of one table from the other's."""
    if table["name"].to_pylist() != wanted["name"].to_pylist():
        raise AssertionError("names differ")
    rows = [_rows(one) for one in (table, wanted)]
    return float(np.max(np.abs(rows[0] - rows[1])))


def _rows(table: pa.Table) -> np.ndarray:
    whole = table.filter(table["lost"].is_null())
    lists = whole["embedding"].combine_chunks()
    return lists.flatten().to_numpy().reshape(len(whole), -1)


def _rates(seconds: dict[int, list[float]], sizes: tuple[int, int]) -> dict[str, float]:
    small, large = (median(seconds[size]) for size in sizes)
    per_second = (sizes[1] - sizes[0]) / (large - small)
    return {
        "whole_run_s": round(large, 2),
        "whole_run_per_s": round(sizes[1] / large, 1),
        "start_s": round(small - sizes[0] / per_second, 2),
        "per_s": round(per_second, 1),
    }


def _shares(rates: dict[str, float], ours: dict[str, float]) -> dict[str, float]:
    return {
        "share_of_one_process": round(rates["per_s"] / ours["per_s"], 3),
        "share_whole_run": round(rates["whole_run_per_s"] / ours["whole_run_per_s"], 3),
    }
