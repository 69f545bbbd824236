"""The site is built without a warning, and its pages ask no other host."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import twinlens

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="needs pip install '.[docs]'")
def test_the_site_is_built_and_asks_nobody(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(
        [*command, "--config-file", str(ROOT / "docs" / "mkdocs.yml")],
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    pages = {path: path.read_text("utf-8") for path in tmp_path.rglob("*.html")}
    assert len(pages) > 20
    loaded = r"""<(?:script|link|img|iframe|source|video)\b[^>]*?\b(?:src|href)=["']?(https?:)?//"""
    assert [path.name for path, page in pages.items() if re.search(loaded, page)] == []
    sheets = [path for path in tmp_path.rglob("*.css") if "url(http" in path.read_text("utf-8")]
    assert sheets == []
    reference = "".join(page for path, page in pages.items() if path.parent.name == "reference")
    described = set(re.findall(r'id="[\w.]+\.(\w+)"', reference))
    assert set(twinlens.__all__) <= described
