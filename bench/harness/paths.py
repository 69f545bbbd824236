"""Folders of the repository that benchmarks read and write."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = ROOT / "bench" / "results"
BUILD: Final = ROOT / "build"
"""Ignored by git: corpora, bundles and logs of runs that are not finished."""
HALF_DEMO: Final = ROOT / "tests" / "kit" / "models" / "demo_with_fp16"
"""The demo with its towers of fp16, which the package does not have."""
DEMO_TOKENIZER: Final = ROOT / "export" / "demo_checkpoint" / "tokenizer.json"
