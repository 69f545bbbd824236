"""Time the public calls of an index and of arrays, beside numpy's bare product and the kernel.

    python -m bench.search.index_calls           all parts, into results/index.json and its tables
    python -m bench.search.index_calls --small --parts small arrays --out FILE

Parts: small indexes; arrays by semantic_search; the index beside the kernel; filters; ranges; rows
added; codes alone. Each part and thread count has a process of its own, where all contenders are
called in turn; a figure is the median of the rounds. Ids and order are compared with float64 brute
force, and of codes alone each cosine with its bound.
"""

import json
import os
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import twinlens_kernels
from bench.harness.answers import claim_stdout
from bench.harness.arguments import parser_of
from bench.harness.machine import commit, processor, versions
from bench.harness.memory import memory_mb
from bench.harness.paths import BUILD
from bench.harness.processes import answer_of, worker_environment
from bench.harness.readme_tables import write_tables
from bench.harness.results_file import four_digits, one_row_a_line, place_of, three_digits
from bench.harness.timing import rounds_in_turn, spent_by
from bench.search.corpus import corpus_file, queries
from bench.search.ground_truth import agreement, brute_force
from twinlens import Index, semantic_search
from twinlens.normalization import unit_rows

F32 = NDArray[np.float32]
Line = dict[str, Any]
Acts = Mapping[str, Callable[[], object]]

WIDTH = 512
SIZES = {"full": (1_000_000, 100_000), "small": (20_000, 5_000)}
"""Rows of the large corpus, and of the array."""


def small(folder: Path, sizes: tuple[int, int], threads: int) -> list[Line]:
    """One query of small indexes: numpy's product, with its ten best, and the public call."""
    del sizes
    rows, (query,) = corpus(folder, 20_000), queries(1, WIDTH, "text")
    found = []
    for n in (1_000, 5_000, 10_000, 20_000):
        part = np.ascontiguousarray(rows[:n])
        index = Index.build(part, ids=[f"picture {row}.jpg" for row in range(n)])
        truth = brute_force(unit_rows(query[None]), part, depth=10)
        acts: Acts = {
            "numpy_product": lambda part=part: part @ query,
            "numpy_ten_best": lambda part=part: ten_best(part @ query),
            "index": lambda index=index: index.search(query, k=10, threads=threads),
        }
        same = agreement(index.search(query, k=10, threads=threads).rows, truth)
        found.append({"rows": n} | timed(acts, rounds=600) | same)
    return found


def ten_best(scores: F32) -> NDArray[np.intp]:
    best = np.argpartition(scores, -10)[-10:]
    return best[np.argsort(-scores[best])]


def arrays(folder: Path, sizes: tuple[int, int], threads: int) -> list[Line]:
    """semantic_search of arrays of each float type, beside numpy's product of the same array."""
    # It takes the threads that the process may use.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    rows, found = corpus(folder, sizes[1]), []
    for dtype, n_queries in (("f4", 1), ("f4", 16), ("f4", 256), ("f8", 1), ("f2", 1)):
        asked, held = queries(n_queries, WIDTH, "text"), (3 * rows).astype(dtype)
        truth = brute_force(unit_rows(asked), unit_rows(held), depth=10)
        before = memory_mb("VmHWM")
        answer = semantic_search(asked, held, top_k=10)
        extra = max(0.0, memory_mb("VmHWM") - before)
        wide = asked.astype(held.dtype).T
        acts: Acts = {
            "numpy_product": lambda held=held, wide=wide: held @ wide,
            "semantic_search": lambda held=held, asked=asked: semantic_search(
                asked, held, top_k=10
            ),
        }
        ids = np.array([[hit["response_id"] for hit in hits] for hits in answer])
        line = {"rows": len(rows), "dtype": np.dtype(dtype).name, "n_queries": n_queries}
        rounds = 3 if dtype == "f2" or n_queries > 16 else 15
        found.append(
            line | timed(acts, rounds=rounds) | agreement(ids, truth) | {"extra_mb": round(extra)}
        )
    return found


def kernel(folder: Path, sizes: tuple[int, int], threads: int) -> list[Line]:
    """The index beside the kernel that it calls."""
    rows, found = corpus(folder, sizes[0]), []
    index = Index.build(rows)
    held = index.get(np.arange(len(rows)))
    codes = twinlens_kernels.encode(held, centre=held.mean(axis=0), threads=threads)
    for n_queries, k in ((1, 10), (1, 100), (16, 10), (256, 10), (256, 100)):
        asked = unit_rows(queries(n_queries, WIDTH, "text"))
        acts: Acts = {
            "kernel": lambda asked=asked, k=k: twinlens_kernels.topk(
                asked, held, k, codes=codes, threads=threads
            ),
            "index": lambda asked=asked, k=k: index.search(asked, k=k, threads=threads),
        }
        line = {"rows": len(rows), "n_queries": n_queries, "k": k}
        found.append(line | timed(acts, rounds=9 if n_queries < 256 else 4))
    return found


def calls(folder: Path, sizes: tuple[int, int], threads: int) -> list[Line]:
    """Filters of few and of most rows, range searches, and rows added, of a large index."""
    rows, (query,) = corpus(folder, sizes[0]), queries(1, WIDTH, "text")
    n = len(rows)
    index = Index.build(rows)
    random = np.random.default_rng(0)
    draws = random.random(n)
    acts: dict[str, Callable[[], object]] = {
        "no filter": lambda: index.search(query, threads=threads)
    }
    few = np.sort(random.choice(n, 10, replace=False))
    acts["ids of 10 rows"] = lambda: index.search(query, filter=few, threads=threads)
    for share in (1e-5, 0.01, 0.5, 0.99):
        mask = draws < share
        acts[f"mask of {share:.3%}"] = lambda mask=mask: index.search(
            query, filter=mask, threads=threads
        )
    scores = np.sort(rows @ query)[::-1]
    for hits in (10, 1_000, n // 10):
        floor = float(scores[hits])
        acts[f"range of {hits:,} hits"] = lambda floor=floor: index.search_within(
            query, floor, threads=threads
        )
    found = [{"rows": n, "call": name} | figures for name, figures in each(acts, rounds=7).items()]
    for count in (1, 1_000, 100_000):
        block = rows[:count]
        times = [spent_by(lambda block=block: index.add(block, threads=threads))[1].wall_ms]
        times += [
            spent_by(lambda block=block: index.add(block, threads=threads))[1].wall_ms
            for _ in range(4)
        ]
        found.append({"rows": n, "call": f"add {count:,} rows", "ms": median(times)})
    return found


def codes(folder: Path, sizes: tuple[int, int], threads: int) -> list[Line]:
    """Codes alone beside an index with rows: memory, time, errors, and answers proven."""
    rows, found = corpus(folder, sizes[0]), []
    asked = queries(256, WIDTH, "text")
    truth = brute_force(unit_rows(asked[:64]), rows, depth=10)
    for kept in ("codes16", "codes8", "rows"):
        before = memory_mb("RssAnon")
        index = Index.build(
            rows, residual=kept == "codes16", codes_only=kept != "rows", threads=threads
        )
        line: Line = {"rows": len(rows), "kept": kept, "error": four_digits(index.error)}
        line["memory_mb"] = round(memory_mb("RssAnon") - before)
        acts = {f"q{n}": asking(index, asked[:n], threads) for n in (1, 16, 256)}
        line |= {name: part["ms"] for name, part in each(acts, rounds=5).items()}
        hits = index.search(asked[:64], k=10, threads=threads)
        line |= {"recall": agreement(hits.rows, truth)["recall"]}
        for k in (1, 10):
            line[f"proven_k{k}"] = float(index.search(asked, k=k).exact.mean())
        same = (hits.rows == truth[: len(hits.rows), :10]).all(axis=1)
        line["proven_and_wrong"] = int((hits.exact & ~same).sum())
        true = np.einsum("qd,qkd->qk", unit_rows(asked[:64]), rows[hits.rows], dtype=np.float64)
        errors = np.zeros_like(hits.cosines) if hits.errors is None else hits.errors
        # Rows that were scaled once more differ in the last bits of float32.
        line["beyond_bound"] = int((np.abs(true - hits.cosines) > errors + 2e-7).sum())
        found.append(line)
        del index
    return found


def asking(index: Index, asked: F32, threads: int) -> Callable[[], object]:
    return lambda: index.search(asked, k=10, threads=threads)


PARTS: Mapping[str, Callable[[Path, tuple[int, int], int], list[Line]]] = {
    "small": small,
    "arrays": arrays,
    "kernel": kernel,
    "calls": calls,
    "codes": codes,
}


def corpus(folder: Path, n: int) -> F32:
    """Return the first n rows [n, 512] of the corpus, unit rows as an index keeps them, mapped."""
    path = folder / f"unit-{n}.npy"
    if not path.exists():
        np.save(path, unit_rows(np.load(corpus_file(folder, n, WIDTH), mmap_mode="r")))
    held: F32 = np.load(path, mmap_mode="r")
    return held


def timed(acts: Acts, *, rounds: int) -> Line:
    """Return ms of each act, called in turn, and times the first that the last takes."""
    spent = rounds_in_turn(acts, rounds=rounds + 1)
    times = {name: [one.wall_ms for one in of_act] for name, of_act in spent.items()}
    first, last = next(iter(times)), list(times)[-1]
    ratio = statistics.median(b / a for a, b in zip(times[first], times[last], strict=True))
    return {f"{name}_ms": median(part) for name, part in times.items()} | {"ratio": round(ratio, 3)}


def each(acts: Acts, *, rounds: int) -> dict[str, Line]:
    """Return the ms of each act."""
    spent = rounds_in_turn(acts, rounds=rounds + 1)
    return {name: {"ms": median([one.wall_ms for one in part])} for name, part in spent.items()}


def median(times: Iterable[float]) -> float:
    return four_digits(statistics.median(times))


def report(found: Mapping[str, list[Line]], out: Path) -> None:
    """Write the JSON, and the tables into bench/README.md where it is the published file."""
    facts = {
        "question": "ms of the public calls of an index and of arrays",
        "commit": commit(),
        "processor": processor(),
        "instructions": twinlens_kernels.PATH,
        "versions": versions(("numpy",)),
    }
    out.write_text(one_row_a_line(facts | dict(found)), encoding="utf-8")
    if out == place_of("index", processor()):
        write_tables("index", {name: TABLES[name](found[name]) for name in TABLES if name in found})


def table(columns: Mapping[str, str]) -> Callable[[list[Line]], Iterable[str]]:
    """Return the writer of a table of these columns: headings and the fields below them."""

    def rows(lines: list[Line]) -> Iterable[str]:
        yield f"| {' | '.join(columns)} |"
        yield "|" + "---|" * len(columns)
        for line in lines:
            yield f"| {' | '.join(shown(line[field]) for field in columns.values())} |"

    return rows


def shown(value: object) -> str:
    if isinstance(value, float):
        return three_digits(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


TABLES: Mapping[str, Callable[[list[Line]], Iterable[str]]] = {
    "small": table(
        {
            "N": "rows",
            "threads": "threads",
            "numpy `rows @ q`, ms": "numpy_product_ms",
            "with the ten best": "numpy_ten_best_ms",
            "`Index.search`": "index_ms",
            "times the product": "ratio",
        }
    ),
    "arrays": table(
        {
            "N": "rows",
            "type": "dtype",
            "Q": "n_queries",
            "threads": "threads",
            "numpy product, ms": "numpy_product_ms",
            "`semantic_search`": "semantic_search_ms",
            "times the product": "ratio",
            "MB more": "extra_mb",
        }
    ),
    "kernel": table(
        {
            "N": "rows",
            "Q": "n_queries",
            "k": "k",
            "threads": "threads",
            "kernel, ms": "kernel_ms",
            "`Index.search`": "index_ms",
            "times the kernel": "ratio",
        }
    ),
    "calls": table({"N": "rows", "call": "call", "threads": "threads", "ms": "ms"}),
    "codes": table(
        {
            "N": "rows",
            "keeps": "kept",
            "threads": "threads",
            "MB": "memory_mb",
            "Q=1, ms": "q1",
            "Q=16": "q16",
            "Q=256": "q256",
            "largest error": "error",
            "proven, k=1": "proven_k1",
            "k=10": "proven_k10",
            "recall": "recall",
        }
    ),
}


def main() -> None:
    parser = parser_of("bench.search.index_calls", __doc__)
    parser.add_argument("--small", action="store_true", help="20,000 rows for a million")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--work", type=Path, default=BUILD / "bench-search", metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=place_of("index", processor()), metavar="FILE")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[Line]] = {}
    if options.out.exists():  # parts that were measured before stay
        kept = json.loads(options.out.read_text(encoding="utf-8"))
        found = {name: kept[name] for name in PARTS if name in kept}
    for part in options.parts:
        lines = []
        for threads in options.threads:
            answer = answer_of(
                "bench.search.index_calls",
                part,
                options.work.resolve(),
                "small" if options.small else "full",
                threads,
                env=worker_environment(threads),
            )
            lines += [line | {"threads": threads} for line in answer["lines"]]
            print(json.dumps(lines[-len(answer["lines"]) :], indent=1), flush=True)
        found[part] = lines
        report(found, options.out.resolve())  # after each part: a run may be cut


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] in PARTS:
        part, folder, size, n_threads = sys.argv[1:]
        claim_stdout()({"lines": PARTS[part](Path(folder), SIZES[size], int(n_threads))})
    else:
        main()
