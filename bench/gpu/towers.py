"""Are the towers right on a GPU, does every node of them run there, and how fast are they?

    python -m bench.gpu.towers --model b32 [--out FILE]
    python -m bench.gpu.towers --model l14 [--out FILE]
    python -m bench.gpu.towers --device cpu --small

First correctness: both towers in every precision meant for the device against torch in float32 on
the same GPU, for batches of 1 to 512. A node on the CPU, or a cosine below the precision's bound,
ends the script with status 1 and nothing is timed. Then, from arrays in the host's memory to rows
in the host's memory, ms a batch (median and 95th percentile; at batch 1 also the 99th), beside
torch in half precision: eager with scaled_dot_product_attention (flash where it can), eager with
the plain attention, and torch.compile. `error` is 1 - the worst cosine with torch in float32.
`of_peak` is the share of the FLOP/s of a large half-precision product (all layers counted whole),
`of_bandwidth` that of the memory's speed at which the weights alone were read. `pipelined` is how
many items a second twinlens embeds with all its lanes busy.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch  # first: onnxruntime then finds the CUDA libraries that came with it

from bench.gpu.machine import bandwidth, machine, peak_flops, place, timed, times_ms
from bench.gpu.tower_shapes import (
    SHAPES,
    Shape,
    flops,
    graph_of,
    ids,
    image_tower,
    images,
    text_tower,
)
from bench.gpu.tower_torch import Embed, from_host_to_host, module_of, plainly
from twinlens.bundle import Agreement, TowerFile
from twinlens.cuda.options import CudaOptions
from twinlens.device_tower import DeviceTower
from twinlens.errors import ProviderError
from twinlens.session import Device, Session, resolve
from twinlens_export.graph import save
from twinlens_export.precision import in_precision

BOUNDS = {"fp32": 0.99999, "fp16": 0.9995}
"""Least cosine of every row with torch in float32. Integer towers are for CPUs."""
BATCHES = (1, 2, 3, 7, 16, 64, 256, 512)
TIMED = (1, 16, 64, 256)
CAPTION, CONTEXT = 16, 77
NAMES = {"image": ("pixel_values", "image_embeds"), "text": ("input_ids", "text_embeds")}


class Trial:
    """One tower of a model: its programs, its items, its reference."""

    def __init__(self, side: str, shape: Shape, device: Device, folder: Path) -> None:
        self.side, self.shape, self.device, self.folder = side, shape, device, folder
        self.tower = image_tower(shape) if side == "image" else text_tower(shape)

    def items(self, count: int, tokens: int = CONTEXT) -> np.ndarray:
        if self.side == "image":
            return images(self.shape, count)
        return ids(self.shape, count, min(tokens, self.shape.context))

    def opened(self, precision: str, cuda: CudaOptions) -> DeviceTower:
        path = self.folder / f"{self.side}_{precision}.onnx"
        if not path.exists():
            save(in_precision(graph_of(self.tower), precision), path)
        source, target = NAMES[self.side]
        agreement = Agreement(worst_cosine=1, mean_cosine=1, top1=1, top10=1, samples=1)
        file = TowerFile(
            file=path.name, sha256="", bytes=0, input=source, output=target, agreement=agreement
        )

        def open_on(threads: int) -> Session:
            name = f"the {self.side} tower in {precision}"
            return Session(path, device=self.device, threads=threads, name=name, cuda=cuda)

        return DeviceTower(file, open_on, cuda=cuda)

    def in_torch(self, dtype: torch.dtype, *, compiled: bool = False) -> Embed:
        module = module_of(self.tower, place(self.device), dtype)
        if compiled:
            module = torch.compile(module, dynamic=False)
        return from_host_to_host(module, place(self.device))

    def weight_bytes(self) -> int:
        """Of the tower in half precision; of the words only the rows that are read, so none."""
        total = sum(path.stat().st_size for path in self.folder.glob(f"{self.side}_fp16.onnx*"))
        return total - (0 if self.side == "image" else 2 * self.tower.tokens.size)


def worst_cosine(rows: np.ndarray, exact: np.ndarray) -> float:
    return float(np.einsum("bd,bd->b", rows, exact, dtype=np.float64).min())


def judged(trial: Trial, batches: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """A line for each precision and batch, and whether it is right."""
    batch, embed = trial.items(max(batches)), trial.in_torch(torch.float32)
    exact = np.concatenate([embed(batch[at : at + 64]) for at in range(0, len(batch), 64)])
    cosines = exact @ exact.T
    spread = float(np.median(cosines[~np.eye(len(cosines), dtype=bool)]))
    for precision, bound in BOUNDS.items():
        tower = trial.opened(precision, CudaOptions(largest_batch=max(batches)))
        for size in batches:
            found = worst_cosine(tower.embed(batch[:size]), exact[:size])
            yield {
                "tower": trial.side, "precision": precision, "batch": size,
                "worst_cosine": found, "right": found >= bound, "cosine_of_strangers": spread,
            }  # fmt: skip
        placement = tower._session.placement
        yield {
            "tower": trial.side, "precision": precision,
            "nodes": None if placement is None else placement.counts(), "right": True,
        }  # fmt: skip


def contenders(trial: Trial, *, compiled: bool) -> dict[str, Callable[[], Embed]]:
    """By name, what opens each."""
    half = torch.float16
    found = {
        "twinlens fp16": lambda: trial.opened("fp16", CudaOptions()).embed,
        "twinlens fp16, recorded": lambda: trial.opened("fp16", CudaOptions(graphs=True)).embed,
        "torch eager fp16": lambda: trial.in_torch(half),
        "torch eager fp16, plain attention": lambda: plainly(trial.in_torch(half)),
    }
    if compiled:
        found["torch.compile fp16"] = lambda: trial.in_torch(half, compiled=True)
    return found


def speeds(
    trial: Trial, sizes: tuple[int, ...], repeats: int, *, compiled: bool
) -> Iterator[dict[str, Any]]:
    """A line for each contender, batch and length."""
    exact = trial.in_torch(torch.float32)
    lengths = (CAPTION, CONTEXT) if trial.side == "text" else (0,)
    for name, open_ in contenders(trial, compiled=compiled).items():
        embed = open_()
        for tokens in lengths:
            # Every shape is compiled anew, half a minute each.
            for size in sizes if "compile" not in name else (min(sizes), max(sizes)):
                batch = trial.items(size, tokens)
                error = 1 - worst_cosine(embed(batch), exact(batch))
                line = {"tower": trial.side, "contender": name, "batch": size, "error": error}
                if tokens:
                    line["tokens"] = batch.shape[1]
                yield line | figures(partial(embed, batch), size, repeats)


def figures(act: Callable[[], object], size: int, repeats: int) -> dict[str, float]:
    if size > 1:
        found = timed(act, max(5, repeats // 4))
        return found | {"items_per_second": round(1e3 * size / found["ms"], 1)}
    times = times_ms(act, repeats)
    low, high, highest = (float(np.quantile(times, part)) for part in (0.5, 0.95, 0.99))
    return {"ms": round(low, 4), "p95_ms": round(high, 4), "p99_ms": round(highest, 4)}


def pipelined(trial: Trial, size: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Items a second of all lanes, each kept busy by a thread."""
    cuda = CudaOptions()
    tower = trial.opened("fp16", cuda)
    for tokens in (CAPTION, CONTEXT) if trial.side == "text" else (0,):
        batch = trial.items(size, tokens)
        tower.embed(batch)

        def work(batch: np.ndarray = batch) -> None:
            for _ in range(rounds):
                tower.embed(batch)

        start = time.perf_counter()
        threads = [threading.Thread(target=work) for _ in range(cuda.lanes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - start
        line: dict[str, Any] = {"tower": trial.side, "pipelined": True, "batch": size}
        if tokens:
            line["tokens"] = batch.shape[1]
        yield line | {"items_per_second": round(cuda.lanes * rounds * size / seconds, 1)}


def with_limits(
    line: dict[str, Any], trial: Trial, limits: dict[str, float | None]
) -> dict[str, Any]:
    """The line with the shares of what the device can do."""
    if "ms" not in line:
        return line
    work = flops(trial.shape, image=trial.side == "image", tokens=line.get("tokens", 0))
    seconds = line["ms"] / 1e3
    shares = {"of_peak": round(line["batch"] * work / seconds / float(limits["flops"] or 1), 4)}
    if limits["bytes"]:
        shares["of_bandwidth"] = round(trial.weight_bytes() / seconds / limits["bytes"], 4)
    return line | shares


def ratios(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many times faster the faster twinlens is than each torch."""
    found: dict[tuple[Any, ...], dict[str, float]] = {}
    for line in lines:
        if "contender" in line:
            case = (line["tower"], line["batch"], line.get("tokens"))
            found.setdefault(case, {})[line["contender"]] = line["ms"]
    return [
        {
            "tower": tower, "batch": batch, "tokens": tokens,
            "times_faster_than": {
                name: round(ms / min(v for k, v in all_ms.items() if k.startswith("twinlens")), 3)
                for name, ms in all_ms.items() if not name.startswith("twinlens")
            },
        }
        for (tower, batch, tokens), all_ms in found.items()
    ]  # fmt: skip


def shown(lines: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """All of them, each printed when it is there."""
    found = []
    for line in lines:
        found.append(line)
        print(line, flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="The towers on a GPU, beside torch.")
    parser.add_argument("--model", choices=sorted(SHAPES), default="b32")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="towers that test the script only")
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile")
    parser.add_argument("--out", type=Path, help="where the figures go, as JSON")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device = resolve(options.device)
    name = "tiny" if options.small else options.model
    report: dict[str, Any] = {"model": name, **machine(device)}
    side, n_bytes = (256, 2**20) if options.small else (8192, 2**31)
    limits = {"flops": peak_flops(torch, device, side), "bytes": bandwidth(torch, device, n_bytes)}
    report["limits"] = limits
    with tempfile.TemporaryDirectory() as folder:
        trials = [Trial(side, SHAPES[name], device, Path(folder)) for side in ("image", "text")]
        batches = (1, 2, 5) if options.small else BATCHES
        try:
            report["correctness"] = [
                line for trial in trials for line in shown(judged(trial, batches))
            ]
        except ProviderError as error:
            print(f"WRONG: {error}")
            return 1
        if not all(line["right"] for line in report["correctness"]):
            print("WRONG: a tower does not follow torch; nothing is timed")
            return 1
        sizes, repeats = ((1, 4), 5) if options.small else (TIMED, 200)
        compiled = not (options.small or options.no_compile)
        report["speeds"] = []
        for trial in trials:
            lines = shown(speeds(trial, sizes, repeats, compiled=compiled))
            lines += shown(pipelined(trial, max(sizes), 3 if options.small else 20))
            report["speeds"] += [with_limits(line, trial, limits) for line in lines]
    report["times_faster"] = ratios(report["speeds"])
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
