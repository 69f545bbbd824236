# ruff: noqa: ANN401, PLC0415  a process holds one library, of any types
"""Measure one query of each library that embeddings are handed on to, at each size of a corpus.

    python -m bench.search.handoffs build    corpora and files; needs no quiet machine
    python -m bench.search.handoffs ask      ms of a query, memory and recall
    python -m bench.search.handoffs report   results/handoffs.json, and the table of HANDOFF.md

Rows and queries are those of corpus.py, of width 512: images are asked for by texts, and for the
second recall by images. Random rows have no clusters, which approximate searches live on: theirs is
a lower bound of the recall on real pictures. A library has a process of its own, is
called as HANDOFF.md does with its default settings, and opens what `build` has written.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.harness.arguments import parser_of
from bench.harness.machine import commit, processor, versions
from bench.harness.memory import memory_mb
from bench.harness.paths import BUILD, ROOT
from bench.harness.results_file import four_digits, one_row_a_line, place_of, three_digits
from bench.harness.results_log import ResultsLog
from bench.search.corpus import Kind, corpus_file, queries

WORK = BUILD / "bench-handoffs"
WIDTH, K, N_QUERIES = 512, 10, 200
SIZES = (10_000, 100_000, 1_000_000)
BLOCK = 8192
LIBRARIES = ("duckdb", "faiss-cpu", "lancedb", "numpy", "pgvector", "twinlens", "usearch")

F32 = NDArray[np.float32]
Search = Callable[[F32], Any]
"""From a query [D] to the rows of the ten nearest."""


@dataclass(frozen=True)
class Library:
    """Files of a corpus for a library, and its search in them."""

    title: str
    build: Callable[[Path, F32], None]
    open: Callable[[Path], Search]
    most_rows: int = SIZES[-1]
    n_queries: int = N_QUERIES


def blocks(rows: F32) -> Iterator[F32]:
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]


def build_twinlens(place: Path, rows: F32) -> None:
    from twinlens import Index

    Index.write(place, blocks(rows))


def open_twinlens(place: Path) -> Search:
    from twinlens import Index

    index = Index.open(place)
    return lambda query: index.search(query, k=K).rows[0]


def build_faiss_flat(place: Path, rows: F32) -> None:
    import faiss

    index = faiss.IndexFlatIP(WIDTH)
    index.add(rows)
    faiss.write_index(index, str(place))


def build_faiss_hnsw(place: Path, rows: F32) -> None:
    import faiss

    index = faiss.IndexHNSWFlat(WIDTH, 32, faiss.METRIC_INNER_PRODUCT)
    index.add(rows)
    index.hnsw.efSearch = 64
    faiss.write_index(index, str(place))


def open_faiss(place: Path) -> Search:
    import faiss

    index = faiss.read_index(str(place))
    return lambda query: index.search(query[None], K)[1][0]


def build_usearch(place: Path, rows: F32) -> None:
    from usearch.index import Index

    index = Index(ndim=WIDTH, metric="cos", dtype="f32")
    index.add(np.arange(len(rows)), np.ascontiguousarray(rows))
    index.save(str(place))


def open_usearch(place: Path) -> Search:
    from usearch.index import Index

    index = Index.restore(str(place))
    return lambda query: index.search(query, K).keys


def lance_table(place: Path, rows: F32) -> Any:
    import lancedb
    import pyarrow as pa

    kind = pa.list_(pa.float32(), WIDTH)
    schema = pa.schema([("id", pa.int64()), ("embedding", kind)])

    def batches() -> Iterator[Any]:
        start = 0
        for block in blocks(rows):
            column = pa.FixedSizeListArray.from_arrays(pa.array(block.reshape(-1)), WIDTH)
            ids = pa.array(np.arange(start, start + len(block)))
            yield pa.RecordBatch.from_arrays([ids, column], schema=schema)
            start += len(block)

    return lancedb.connect(place).create_table("rows", batches(), schema=schema)


def build_lance(place: Path, rows: F32) -> None:
    from lancedb.index import IvfPq

    lance_table(place, rows).create_index("embedding", config=IvfPq(distance_type="cosine"))


def open_lance(place: Path, ask: Callable[[Any], Any] = lambda question: question) -> Search:
    import lancedb

    table = lancedb.connect(place).open_table("rows")

    def search(query: F32) -> Any:
        question = ask(table.search(query, vector_column_name="embedding"))
        nearest = question.distance_type("cosine").limit(K).select(["id", "_distance"])
        return nearest.to_arrow()["id"].to_numpy()

    return search


def open_lance_flat(place: Path) -> Search:
    return open_lance(place, lambda question: question.bypass_vector_index())


def open_lance_refined(place: Path) -> Search:
    return open_lance(place, lambda question: question.refine_factor(10))


def build_duckdb(place: Path, rows: F32) -> None:
    from twinlens import Index

    ids = np.arange(len(rows))
    Index.build(rows, ids=ids).to_parquet(place)


def open_duckdb(place: Path) -> Search:
    import duckdb

    question = (
        f"SELECT id FROM '{place}' ORDER BY array_cosine_similarity(embedding::FLOAT[{WIDTH}], "
        f"$query::FLOAT[{WIDTH}]) DESC LIMIT {K}"
    )
    return lambda query: duckdb.execute(question, {"query": query.tolist()}).fetchnumpy()["id"]


TABLE = {
    "twinlens": Library("twinlens `Index`, on disk", build_twinlens, open_twinlens),
    "faiss-flat": Library("faiss `IndexFlatIP`", build_faiss_flat, open_faiss),
    "faiss-hnsw": Library("faiss HNSW, M=32, ef=64", build_faiss_hnsw, open_faiss, 100_000),
    "usearch": Library("usearch, defaults", build_usearch, open_usearch, 100_000),
    "lance": Library("LanceDB, IVF_PQ", build_lance, open_lance),
    "lance-refined": Library("LanceDB, IVF_PQ, refine 10", build_lance, open_lance_refined),
    "lance-flat": Library("LanceDB, no index", build_lance, open_lance_flat, n_queries=20),
    "duckdb": Library("DuckDB, on the Parquet file", build_duckdb, open_duckdb, n_queries=10),
}


def built_in(work: Path, name: str, n_rows: int) -> Path:
    # One table of LanceDB is searched in three manners.
    suffix = ".parquet" if name == "duckdb" else ""
    return work / f"{'lance' if name.startswith('lance') else name}-{n_rows}{suffix}"


def build(work: Path, name: str, n_rows: int) -> None:
    place = built_in(work, name, n_rows)
    done = place.with_name(f"{place.name}.seconds")
    if done.exists():
        return
    if place.is_dir():
        shutil.rmtree(place)
    rows = np.load(corpus_file(work, n_rows, WIDTH), mmap_mode="r")
    began = time.perf_counter()
    TABLE[name].build(place, rows)
    done.write_text(f"{time.perf_counter() - began:.3g}", encoding="ascii")


def ask(work: Path, name: str, n_rows: int) -> dict[str, object]:
    """Ask all queries one at a time, after five that are not counted."""
    library, place = TABLE[name], built_in(work, name, n_rows)
    asked, before = queries(library.n_queries, WIDTH, "text"), memory_mb("VmRSS")
    began = time.perf_counter()
    search = library.open(place)
    for query in asked[:5]:
        search(query)
    opened_s = time.perf_counter() - began
    found, times = [], []
    for query in asked:
        began = time.perf_counter()
        found.append(np.asarray(search(query)).tolist())
        times.append(1e3 * (time.perf_counter() - began))
    resident, files = memory_mb("VmRSS"), memory_mb("RssFile")
    pictures = queries(library.n_queries, WIDTH, "image")
    by_images = [np.asarray(search(query)).tolist() for query in pictures]
    return {
        "library": name,
        "rows": n_rows,
        "ms": four_digits(statistics.median(times)),
        "p95_ms": four_digits(float(np.quantile(times, 0.95))),
        "recall": four_digits(recall(found, nearest_rows(work, n_rows, "text"))),
        "recall_by_images": four_digits(recall(by_images, nearest_rows(work, n_rows, "image"))),
        "memory_mb": round(resident - before),
        "of_files_mb": round(files),
        "opened_s": four_digits(opened_s),
        "disk_mb": round(disk_mb(place)),
        "built_s": float(place.with_name(f"{place.name}.seconds").read_text(encoding="ascii")),
    }


def nearest_rows(work: Path, n_rows: int, kind: Kind) -> list[list[int]]:
    """Return the ten nearest rows of each query, by brute force in float64, in any order."""
    kept = work / f"nearest-{n_rows}-{kind}.npy"
    if not kept.exists():
        rows = np.load(corpus_file(work, n_rows, WIDTH), mmap_mode="r")
        asked = queries(N_QUERIES, WIDTH, kind).astype(np.float64)
        cosines = np.concatenate([asked @ block.astype(np.float64).T for block in blocks(rows)], 1)
        np.save(kept, np.argpartition(-cosines, K, axis=1)[:, :K])
    return np.load(kept).tolist()


def recall(found: list[list[int]], nearest: list[list[int]]) -> float:
    pairs = zip(found, nearest, strict=False)
    return statistics.mean(len({*ours} & {*truth}) / K for ours, truth in pairs)


def disk_mb(place: Path) -> float:
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files) / 1e6


def report(work: Path) -> None:
    cells = ResultsLog(work / "cells.jsonl").lines
    document = {
        "commit": commit(),
        "processor": processor(),
        "versions": versions(LIBRARIES),
        "queries": f"texts of bench/search/corpus.py, width {WIDTH}, one at a time, k={K}",
        "cells": cells,
    }
    facts = one_row_a_line(document)
    place_of("handoffs", document["processor"]).write_text(facts, encoding="utf-8")
    print("| ms a query (recall by texts / by images, MB) |", *(f"{size:,} |" for size in SIZES))
    for name, library in TABLE.items():
        print(f"| {library.title} |", end="")
        for size in SIZES:
            cell = next((c for c in cells if (c["library"], c["rows"]) == (name, size)), None)
            text = "" if cell is None else three_digits(cell["ms"])
            if cell is not None:
                shares = f"{cell['recall']:.2f}/{cell['recall_by_images']:.2f}"
                text += f" ({shares}, {cell['memory_mb']:,})"
            print(f" {text} |", end="")
        print()


def main() -> None:
    parser = parser_of("bench.search.handoffs", __doc__)
    parser.add_argument("act", choices=("build", "ask", "report"))
    parser.add_argument("--work", type=Path, default=WORK, metavar="FOLDER")
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument("--libraries", nargs="+", choices=TABLE, default=list(TABLE))
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    if options.act == "report":
        report(work)
    elif options.alone:
        (name,), (n_rows,) = options.libraries, options.rows
        if options.act == "build":
            build(work, name, n_rows)
        else:
            ResultsLog(work / "cells.jsonl", echo=True).add(ask(work, name, n_rows))
    else:
        for n_rows in options.rows:
            nearest_rows(work, n_rows, "text")
            nearest_rows(work, n_rows, "image")
            for name in options.libraries:
                if n_rows <= TABLE[name].most_rows:
                    command = [
                        sys.executable,
                        "-m",
                        "bench.search.handoffs",
                        options.act,
                        "--alone",
                    ]
                    command += ["--work", str(work), "--rows", str(n_rows), "--libraries", name]
                    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
