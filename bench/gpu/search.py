"""Check and time exact search of a corpus that lies on a GPU.

    python -m bench.gpu.search [--device cpu --small] [--out FILE]

First correctness: ids against a float64 brute force, for Q in 1, 16, 256 and k in 10, 100, without
and with a filter. A wrong id ends the script with status 1 and nothing is timed. Then ms a search,
median and 95th percentile, beside torch and CuPy, which multiply the same halves and take the top
k of them: theirs is not the exact answer, and `recall` is the share of exact ids in it.
`of_bandwidth` is the share of the memory's speed at which the halves were read, the speed being
that of a copy. `device_ms` is the time of a search without the host's rescoring.
"""

import json
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from bench.gpu.device import bandwidth, device_facts, peer, torch_name
from bench.harness.arguments import parser_of
from bench.harness.timing import median_and_p95
from bench.search import corpus as clip_like
from bench.search.ground_truth import agreement, brute_force
from twinlens.ort.device import Device
from twinlens.ort.device_choice import resolve
from twinlens.search.cuda_engine import CudaEngine
from twinlens.threads import usable_threads

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]
Search = Callable[[F32, int], I64]
WIDTH = 512
SMALL_REPEATS, REPEATS = 3, 50


def corpus(n_rows: int) -> F32:
    """Draw CLIP-like unit rows [N, D] by all threads."""
    if n_rows < clip_like.BLOCK:  # a whole block would take a second
        return clip_like.draw(clip_like.family(WIDTH), "rows", 0, n_rows)
    rows = np.empty((n_rows, WIDTH), dtype=np.float32)
    clip_like.fill(rows, usable_threads())
    return rows


def queries(count: int) -> F32:
    """Draw texts and images in turn."""
    drawn = np.empty((count + 1, WIDTH), dtype=np.float32)
    drawn[0::2] = clip_like.queries((count + 2) // 2, WIDTH, "text")
    drawn[1::2] = clip_like.queries((count + 1) // 2, WIDTH, "image")
    return drawn[:count]


def true_ids(wanted: F32, rows: F32, k: int, allowed: Mask | None) -> I64:
    """Return ids [Q, k] of the best allowed rows by float64 brute force."""
    if allowed is None:
        return brute_force(wanted, rows, k)
    return np.flatnonzero(allowed)[brute_force(wanted, rows[allowed], k)]


def wrong_answers(search: CudaEngine, rows: F32, sizes: list[int]) -> list[dict[str, object]]:
    """Return for each case the number of wrong ids."""
    mask = np.random.default_rng(0).random(len(rows)) < 0.3
    found: list[dict[str, object]] = []
    for n_queries in sizes:
        for k in (10, 100):
            for allowed in (None, mask):
                wanted = queries(n_queries)
                ids, _ = search.topk(wanted, k, allowed=allowed, threads=usable_threads())
                wrong = int(np.count_nonzero(ids != true_ids(wanted, rows, k, allowed)))
                case = {"queries": n_queries, "k": k, "filter": allowed is not None}
                found.append({**case, "rows": len(rows), "wrong_ids": wrong})
                print(found[-1], flush=True)
    return found


def with_torch(torch: ModuleType, rows: F32, device: Device) -> Search:
    where = torch_name(device)
    halves = torch.empty(rows.shape, dtype=torch.float16, device=where)
    for start in range(0, len(rows), 2**20):
        part = torch.from_numpy(rows[start : start + 2**20])
        halves[start : start + 2**20] = part.to(where, torch.float16)

    def search(wanted: F32, k: int) -> I64:
        asked = torch.from_numpy(wanted).to(where, torch.float16)
        # Coming back to the CPU waits for the device.
        found: I64 = torch.topk(asked @ halves.T, k, dim=1).indices.cpu().numpy()
        return found

    return search


def with_cupy(cupy: ModuleType, rows: F32) -> Search:
    halves = cupy.empty(rows.shape, dtype=cupy.float16)
    for start in range(0, len(rows), 2**20):
        halves[start : start + 2**20] = cupy.asarray(rows[start : start + 2**20])

    def search(wanted: F32, k: int) -> I64:
        scores = cupy.asarray(wanted.astype(np.float16)) @ halves.T
        found: I64 = cupy.asnumpy(cupy.argpartition(scores, -k, axis=1)[:, -k:])
        return found

    return search


def contenders(search: CudaEngine, rows: F32, device: Device) -> dict[str, Search]:
    """Return the contenders by name; the first is the exact one."""
    torch, cupy = peer("torch"), peer("cupy") if device.kind == "cuda" else None

    def exact(wanted: F32, k: int) -> I64:
        return search.topk(wanted, k, threads=usable_threads())[0]

    found: dict[str, Search] = {"twinlens": exact}
    if torch is not None:
        found["torch float16, not exact"] = with_torch(torch, rows, device)
    if cupy is not None:
        found["CuPy float16, not exact"] = with_cupy(cupy, rows)
    return found


def speeds(
    search: CudaEngine, rows: F32, sizes: list[int], device: Device, repeats: int
) -> list[dict[str, object]]:
    """Return a line for each Q, k and contender."""
    lines: list[dict[str, object]] = []
    rivals = contenders(search, rows, device)
    for n_queries, k in product(sizes, (10, 100)):
        wanted = queries(n_queries)
        n_times = max(SMALL_REPEATS, repeats // n_queries)
        exact = rivals["twinlens"](wanted, k)
        for name, run in rivals.items():
            line: dict[str, object] = {"rows": len(rows), "queries": n_queries, "k": k}
            line |= {"contender": name, **median_and_p95(partial(run, wanted, k), n_times)}
            line["recall"] = agreement(run(wanted, k), exact)["recall"]
            if name == "twinlens":
                candidates = partial(search._shortlist, wanted, k, max(4 * k, k + 128), None, 1)
                line["device_ms"] = median_and_p95(candidates, n_times)["ms"]
            lines.append(line)
            print(line, flush=True)
    return lines


def with_bandwidth(line: dict[str, object], speed: float | None) -> dict[str, object]:
    """Add the share of the memory's speed at which the halves were read."""
    if speed is None:
        return line
    n_bytes = 2 * WIDTH * int(str(line["rows"]))
    return {**line, "of_bandwidth": round(n_bytes / (float(str(line["ms"])) / 1e3) / speed, 3)}


def timings(device: Device, *, small: bool) -> dict[str, object]:
    """Return the speeds, corpus by corpus."""
    speed = bandwidth(peer("torch"), device, 2**20 if small else 2**31)
    lines: list[dict[str, object]] = []
    for n_rows in [5000] if small else [1_000_000, 10_000_000]:
        rows = corpus(n_rows)
        start = time.perf_counter()
        search = CudaEngine(rows, device=device)
        print(f"{n_rows} rows are on {device} after {time.perf_counter() - start:.1f} s")
        # 256 queries with ten million rows make more scores than the peers have room for.
        sizes = [1, 16] if small or n_rows > 1_000_000 else [1, 16, 256]
        lines += speeds(search, rows, sizes, device, SMALL_REPEATS if small else REPEATS)
        del search, rows
    return {"bytes_per_second": speed, "speeds": [with_bandwidth(line, speed) for line in lines]}


def main() -> int:
    parser = parser_of("bench.gpu.search", __doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="a corpus that tests the script only")
    parser.add_argument("--out", type=Path, help="where the figures go, as JSON")
    options = parser.parse_args()
    # Before onnxruntime: its CUDA libraries are then found wherever onnxruntime lies.
    peer("torch")
    device = resolve(options.device)
    report: dict[str, object] = {"question": "exact search on a GPU", **device_facts(device)}
    rows = corpus(5000 if options.small else 300_000)
    # Two chunks of different sizes.
    search = CudaEngine(rows, device=device, chunk_bytes=2 * WIDTH * (len(rows) * 2 // 3))
    checked = wrong_answers(search, rows, [1, 16] if options.small else [1, 16, 256])
    del search, rows
    report["correctness"] = checked
    right = not any(case["wrong_ids"] for case in checked)
    if right:
        report |= timings(device, small=options.small)
    if options.out is not None:
        options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print("every id is right" if right else "WRONG IDS: see above")
    return 0 if right else 1


if __name__ == "__main__":
    raise SystemExit(main())
