"""Check and time the towers on a GPU, with every node of them there.

    python -m bench.gpu.towers --model B32 [--out FILE]
    python -m bench.gpu.towers --model L14 [--out FILE]
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
import onnx
import torch  # first: onnxruntime then finds the CUDA libraries that came with it

from bench.gpu.device import bandwidth, device_facts, peak_flops, torch_name
from bench.gpu.tower_shapes import (
    SMALL,
    flops,
    graph_of,
    ids,
    image_tower,
    images,
    text_tower,
)
from bench.gpu.tower_torch import Embed, from_host_to_host, module_of, with_math_attention
from bench.harness.arguments import parser_of
from bench.harness.timing import median_and_p95, wall_ms
from bench.towers.inputs.shapes import SHAPES, Shape
from twinlens.bundle.manifest import Agreement, TowerFile
from twinlens.embedding.device_tower import DeviceTower
from twinlens.errors import ProviderError
from twinlens.ort.cuda.options import CudaOptions
from twinlens.ort.device import Device
from twinlens.ort.device_choice import resolve
from twinlens.ort.session import Session
from twinlens_export.graph.graph import save
from twinlens_export.graph.shape_nodes import shape_nodes
from twinlens_export.precision import in_precision

BOUNDS = {"fp32": 0.99999, "fp16": 0.9995}
"""Least cosine of every row with torch in float32. Integer towers are for CPUs."""
BATCHES = (1, 2, 3, 7, 16, 64, 256, 512)
TIMED = (1, 16, 64, 256)
CAPTION, CONTEXT = 16, 77
NAMES = {"image": ("pixel_values", "image_embeds"), "text": ("input_ids", "text_embeds")}


class TowerUnderTest:
    """One tower of a model: its ONNX models, its items, its reference."""

    def __init__(self, modality: str, shape: Shape, device: Device, folder: Path) -> None:
        self.modality, self.shape, self.device, self.folder = modality, shape, device, folder
        self.tower = image_tower(shape) if modality == "image" else text_tower(shape)

    def items(self, count: int, tokens: int = CONTEXT) -> np.ndarray:
        if self.modality == "image":
            return images(self.shape, count)
        return ids(self.shape, count, min(tokens, self.shape.context))

    def opened(self, precision: str, cuda: CudaOptions) -> DeviceTower:
        path = self.folder / f"{self.modality}_{precision}.onnx"
        if not path.exists():
            save(in_precision(graph_of(self.tower), precision), path)
        source, target = NAMES[self.modality]
        agreement = Agreement(worst_cosine=1, mean_cosine=1, top1=1, top10=1, samples=1)
        file = TowerFile(
            file=path.name, sha256="", bytes=0, input=source, output=target, agreement=agreement,
            shape_nodes=shape_nodes(onnx.load(path, load_external_data=False)),
        )  # fmt: skip

        def open_on(threads: int) -> Session:
            name = f"the {self.modality} tower in {precision}"
            return Session(path, device=self.device, threads=threads, name=name, cuda=cuda)

        return DeviceTower(file, open_on, cuda=cuda)

    def in_torch(self, dtype: torch.dtype, *, compiled: bool = False) -> Embed:
        module = module_of(self.tower, torch_name(self.device), dtype)
        if compiled:
            module = torch.compile(module, dynamic=False)
        return from_host_to_host(module, torch_name(self.device))

    def weight_bytes(self) -> int:
        """Count the tower in half precision; of the token embedding few rows are read, so none."""
        total = sum(path.stat().st_size for path in self.folder.glob(f"{self.modality}_fp16.onnx*"))
        return total - (0 if self.modality == "image" else 2 * self.tower.token_embedding.size)


def worst_cosine(rows: np.ndarray, exact: np.ndarray) -> float:
    return float(np.einsum("bd,bd->b", rows, exact, dtype=np.float64).min())


def correctness(tower: TowerUnderTest, batches: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """Yield a line for each precision and batch, with `right`."""
    batch, embed = tower.items(max(batches)), tower.in_torch(torch.float32)
    exact = np.concatenate([embed(batch[at : at + 64]) for at in range(0, len(batch), 64)])
    cosines = exact @ exact.T
    spread = float(np.median(cosines[~np.eye(len(cosines), dtype=bool)]))
    for precision, bound in BOUNDS.items():
        opened = tower.opened(precision, CudaOptions(largest_batch=max(batches)))
        for size in batches:
            found = worst_cosine(opened.embed(batch[:size]), exact[:size])
            yield {
                "tower": tower.modality, "precision": precision, "batch": size,
                "worst_cosine": found, "right": found >= bound, "cosine_of_strangers": spread,
            }  # fmt: skip
        placement = opened._session.placement
        yield {
            "tower": tower.modality, "precision": precision,
            "nodes": None if placement is None else placement.counts(), "right": True,
        }  # fmt: skip


def contenders(tower: TowerUnderTest, *, compiled: bool) -> dict[str, Callable[[], Embed]]:
    """Return by name the function that opens each contender."""
    half = torch.float16
    found = {
        "twinlens fp16": lambda: tower.opened("fp16", CudaOptions()).embed,
        "twinlens fp16, recorded": lambda: tower.opened("fp16", CudaOptions(graphs=True)).embed,
        "torch eager fp16": lambda: tower.in_torch(half),
        "torch eager fp16, plain attention": lambda: with_math_attention(tower.in_torch(half)),
    }
    if compiled:
        found["torch.compile fp16"] = lambda: tower.in_torch(half, compiled=True)
    return found


def speeds(
    tower: TowerUnderTest, sizes: tuple[int, ...], repeats: int, *, compiled: bool
) -> Iterator[dict[str, Any]]:
    """Yield a line for each contender, batch and length."""
    exact = tower.in_torch(torch.float32)
    lengths = (CAPTION, CONTEXT) if tower.modality == "text" else (0,)
    for name, open_ in contenders(tower, compiled=compiled).items():
        embed = open_()
        for tokens in lengths:
            # Every shape is compiled anew, half a minute each.
            for size in sizes if "compile" not in name else (min(sizes), max(sizes)):
                batch = tower.items(size, tokens)
                error = 1 - worst_cosine(embed(batch), exact(batch))
                line = {"tower": tower.modality, "contender": name, "batch": size, "error": error}
                if tokens:
                    line["tokens"] = batch.shape[1]
                yield line | figures(partial(embed, batch), size, repeats)


def figures(act: Callable[[], object], size: int, repeats: int) -> dict[str, float]:
    if size > 1:
        found = median_and_p95(act, max(5, repeats // 4))
        return found | {"items_per_second": round(1e3 * size / found["ms"], 1)}
    times = wall_ms(act, repeats, warm_up=2)
    low, high, highest = (float(np.quantile(times, part)) for part in (0.5, 0.95, 0.99))
    return {"ms": round(low, 4), "p95_ms": round(high, 4), "p99_ms": round(highest, 4)}


def pipelined(tower: TowerUnderTest, size: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield the items a second of all lanes, each kept busy by a thread."""
    cuda = CudaOptions()
    opened = tower.opened("fp16", cuda)
    for tokens in (CAPTION, CONTEXT) if tower.modality == "text" else (0,):
        batch = tower.items(size, tokens)
        opened.embed(batch)

        def work(batch: np.ndarray = batch) -> None:
            for _ in range(rounds):
                opened.embed(batch)

        start = time.perf_counter()
        threads = [threading.Thread(target=work) for _ in range(cuda.lanes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - start
        line: dict[str, Any] = {"tower": tower.modality, "pipelined": True, "batch": size}
        if tokens:
            line["tokens"] = batch.shape[1]
        yield line | {"items_per_second": round(cuda.lanes * rounds * size / seconds, 1)}


def with_limits(
    line: dict[str, Any], tower: TowerUnderTest, limits: dict[str, float | None]
) -> dict[str, Any]:
    """Add the shares of the device's limits to the line."""
    if "ms" not in line:
        return line
    work = flops(tower.shape, image=tower.modality == "image", tokens=line.get("tokens", 0))
    seconds = line["ms"] / 1e3
    shares = {"of_peak": round(line["batch"] * work / seconds / float(limits["flops"] or 1), 4)}
    if limits["bytes"]:
        shares["of_bandwidth"] = round(tower.weight_bytes() / seconds / limits["bytes"], 4)
    return line | shares


def ratios(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the times that the faster twinlens is faster than each torch."""
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
    """Return all lines, each printed when it is there."""
    found = []
    for line in lines:
        found.append(line)
        print(line, flush=True)
    return found


def options_of_command_line() -> argparse.Namespace:
    parser = parser_of("bench.gpu.towers", __doc__)
    parser.add_argument("--model", type=str.upper, choices=("B32", "L14"), default="B32")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="towers that test the script only")
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile")
    parser.add_argument("--out", type=Path, help="where the figures go, as JSON")
    return parser.parse_args()


def main() -> int:
    options = options_of_command_line()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device = resolve(options.device)
    shape = SMALL if options.small else SHAPES[options.model]
    report: dict[str, Any] = {"model": shape.name, **device_facts(device)}
    width, n_bytes = (256, 2**20) if options.small else (8192, 2**31)
    limits = {"flops": peak_flops(torch, device, width), "bytes": bandwidth(torch, device, n_bytes)}
    report["limits"] = limits
    with tempfile.TemporaryDirectory() as folder:
        towers = [TowerUnderTest(name, shape, device, Path(folder)) for name in ("image", "text")]
        batches = (1, 2, 5) if options.small else BATCHES
        try:
            report["correctness"] = [
                line for tower in towers for line in shown(correctness(tower, batches))
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
        for tower in towers:
            lines = shown(speeds(tower, sizes, repeats, compiled=compiled))
            lines += shown(pipelined(tower, max(sizes), 3 if options.small else 20))
            report["speeds"] += [with_limits(line, tower, limits) for line in lines]
    report["times_faster"] = ratios(report["speeds"])
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
