"""What the machine can do: the best product of two matrices that a library at hand gives.

    python -m bench.towers.limits THREADS

GFLOP/s or GOP/s, a multiplication and an addition being two; the best of some sizes, those of a
tower among them. fp32 by numpy's OpenBLAS and torch's MKL, bf16 by torch, int8 by oneDNN's linear
layer (weights packed before).
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch

from bench.towers.ledger import Ledger
from bench.towers.worker import environment

SIZES: Final = ((1600, 768, 3072), (1600, 3072, 768), (2048, 2048, 2048), (512, 4096, 4096))
TRIALS: Final = 15
ROOT: Final = Path(__file__).parents[2]


def measure_limits(threads: int, ledger: Ledger) -> None:
    """Append them, if the ledger does not have them, from a process with so many threads."""
    key = {"limits_of_threads": threads}
    if not ledger.has(key):
        found = subprocess.run(
            [sys.executable, "-m", "bench.towers.limits", str(threads)],
            cwd=ROOT,
            env=environment(threads),
            capture_output=True,
            text=True,
            check=True,
        )
        ledger.add(key | json.loads(found.stdout))


def limits(threads: int) -> dict[str, dict[str, float]]:
    """By number format, the best of each library."""
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
    """10^9 operations a second, the best of some trials."""
    product()
    best = float("inf")
    for _ in range(TRIALS):
        begun = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - begun)
    return operations / best / 1e9


if __name__ == "__main__":
    print(json.dumps(limits(int(sys.argv[1]))))
