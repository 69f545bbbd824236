"""Imports that the runtime brings along; import-linter and ruff look at the source."""

import subprocess
import sys

import pytest

HEAVY = ("onnx", "pandas", "safetensors", "torch", "transformers", "twinlens_export")


def imported_by(statement: str) -> set[str]:
    """The top-level modules, other than Python's own, that a fresh interpreter then holds."""
    code = (
        "import sys; before = set(sys.modules); "
        f"{statement}; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    run = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True)
    return set(run.stdout.decode().split()) - sys.stdlib_module_names


@pytest.mark.parametrize("module", ["twinlens", "twinlens.__main__", "twinlens.index"])
def test_the_runtime_imports_nothing_heavy(module: str) -> None:
    assert not imported_by(f"import {module}") & set(HEAVY)


def test_the_kernels_need_numpy_alone() -> None:
    assert imported_by("import twinlens_kernels") == {"numpy", "twinlens_kernels"}
