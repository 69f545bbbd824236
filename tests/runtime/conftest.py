"""The demo model, opened once, and copies of its bundle with one thing changed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from half_demo import half_demo

import twinlens
from twinlens import Model
from twinlens.bundle.bundle import MANIFEST
from twinlens.bundle.sealed_json import write_sealed


@pytest.fixture(scope="session")
def model() -> Model:
    return twinlens.load("demo", device="cpu", threads=2)


@pytest.fixture
def altered(tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], None]], Path]:
    """Copies the demo bundle of two precisions with a changed manifest, which is sealed anew."""

    def alter(change: Callable[[dict[str, Any]], None]) -> Path:
        folder = tmp_path / "bundle"
        shutil.copytree(half_demo(), folder)
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        change(manifest)
        write_sealed(folder / MANIFEST, manifest)
        return folder

    return alter


@pytest.fixture
def uncalibrated(altered: Callable[[Callable[[dict[str, Any]], None]], Path]) -> Path:
    return altered(lambda manifest: manifest.pop("calibrations"))


@pytest.fixture
def miscalibrated(altered: Callable[[Callable[[dict[str, Any]], None]], Path]) -> Path:
    def swap(manifest: dict[str, Any]) -> None:
        fitted = manifest["calibrations"]
        fitted["int8"]["towers"] = fitted["fp16"]["towers"]

    return altered(swap)
