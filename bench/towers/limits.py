"""Limits of the machine: the best product of two matrices that a library at hand gives.

    python -m bench.towers.limits THREADS

GFLOP/s or GOP/s, a multiplication and an addition being two; the best of some sizes, those of a
tower among them. fp32 by numpy's OpenBLAS and torch's MKL, bf16 by torch, int8 by oneDNN's linear
layer (weights packed before).
"""

import sys
from collections.abc import Callable
from typing import Final

import torch

from bench.harness.answers import claim_stdout
from bench.harness.processes import answer_of, worker_environment
from bench.harness.results_log import ResultsLog
from bench.harness.timing import wall_ms

SIZES: Final = ((1600, 768, 3072), (1600, 3072, 768), (2048, 2048, 2048), (512, 4096, 4096))
TRIALS: Final = 15


def measure_limits(threads: int, log: ResultsLog) -> None:
    """Add them to the log, if it lacks them, from a process with that many threads."""
    key = {"limits_of_threads": threads}
    if not log.has(key):
        env = worker_environment(threads)
        log.add(key | answer_of("bench.towers.limits", threads, env=env))


def limits(threads: int) -> dict[str, dict[str, float]]:
    """Return by number format the best of each library."""
    torch.set_num_threads(threads)
    found: dict[str, dict[str, float]] = {}
    for m, k, n in SIZES:
        for (form, library), product in products(m, k, n).items():
            best = found.setdefault(form, {})
            best[library] = max(best.get(library, 0), round(speed(product, 2 * m * k * n)))
    return found


def products(m: int, k: int, n: int) -> dict[tuple[str, str], Callable[[], object]]:
    tokens, weight = torch.randn(m, k), torch.randn(k, n)
    left, right = tokens.numpy(), weight.numpy()
    short, short_weight = tokens.bfloat16(), weight.T.contiguous().bfloat16()
    codes = torch.randint(0, 256, (m, k), dtype=torch.uint8)
    signed = torch.randint(-127, 128, (n, k), dtype=torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(signed, [m, k])
    scales, zeros = torch.ones(n), torch.zeros(n, dtype=torch.int64)

    def coded(step: float, zero: int, form: torch.dtype) -> torch.Tensor:
        how = (None, step, zero, form, "none", [], "")
        return torch.ops.onednn.qlinear_pointwise(codes, 1.0, 128, packed, scales, zeros, *how)

    return {
        ("fp32", "numpy"): lambda: left @ right,
        ("fp32", "torch"): lambda: tokens @ weight,
        ("bf16", "torch"): lambda: torch.nn.functional.linear(short, short_weight),
        ("int8", "oneDNN to fp32"): lambda: coded(1.0, 0, torch.float32),
        ("int8", "oneDNN to uint8"): lambda: coded(9e4, 128, torch.uint8),
    }


def speed(product: Callable[[], object], operations: int) -> float:
    """Return 10^9 operations a second, the best of some trials."""
    return operations / min(wall_ms(product, TRIALS, warm_up=1)) / 1e6


if __name__ == "__main__":
    claim_stdout()(limits(int(sys.argv[1])))
