"""The page of examples/browser, built once, and the model it was built of."""

import re
import shutil
from pathlib import Path
from typing import Final

import pytest
from browser_page import build

from twinlens import Model, load

OFFLINE: Final = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ENOTCACHED")
"""Codes of npm where its registry cannot be reached."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that build.py makes of the demo model."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    folder = tmp_path_factory.mktemp("browser") / "built"
    done = build("demo", str(folder))
    if OFFLINE.search(done.stderr):
        pytest.skip("npm reaches no registry, and its cache lacks the packages")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def model() -> Model:
    return load("demo")
