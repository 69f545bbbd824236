"""A bundle in the tools that other people use: every block of the page on them, as it stands."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import twinlens_export
from bench.portability.blocks import BLOCK, PAGE, block, run_node
from bench.portability.compared import Compared
from bench.portability.environments import Environments
from bench.portability.table import page_with
from bench.portability.tools import (
    OUT,
    SAME_INPUT,
    TOOLS,
    TRACED,
    Tool,
    run_tool,
    worst_cosines,
)
from twinlens.bundle.specs import Modality, Precision
from twinlens_export.__main__ import main
from twinlens_export.portable.names import SUFFIXES


def cosines_of(
    tool: Tool, precision: Precision, environments: Environments, compared: Compared
) -> dict[Modality, float]:
    """Run a tool, and return the smallest cosine of each tower with the rows of twinlens."""
    if environments.program(tool.environment) is None:
        pytest.skip(f"{tool.environment} is not installed in {environments.folder}")
    wanted = compared.prepare(precision)
    assert (wanted["image"] @ wanted["image"].T).min() < 0.5, "the rows tell no pictures apart"
    return worst_cosines(run_tool(tool, precision, environments, compared.folder), wanted)


@pytest.mark.parametrize("precision", SUFFIXES)
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_rows_are_near_those_of_twinlens(
    tool: Tool, precision: Precision, environments: Environments, compared: Compared
) -> None:
    cosines = cosines_of(tool, precision, environments, compared)
    assert cosines["text"] > SAME_INPUT
    assert cosines["image"] > tool.least_of_images(precision)


@pytest.mark.parametrize("precision", SUFFIXES)
@pytest.mark.parametrize("tool", TRACED, ids=lambda tool: tool.name)
def test_rows_of_a_traced_tower_are_near_those_of_twinlens(
    tool: Tool, precision: Precision, environments: Environments, convnext: Compared
) -> None:
    cosines = cosines_of(tool, precision, environments, convnext)
    assert cosines["image"] > tool.least_of_images(precision)


def test_external_data_has_the_key_of_its_file(
    environments: Environments, compared: Compared, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a bare onnxruntime-web; transformers.js finds it in config.json."""
    program = environments.program("node")
    if program is None:
        pytest.skip(f"node is not installed in {environments.folder}")
    monkeypatch.setattr("twinlens_export.graph.graph.LARGEST_EMBEDDED_BYTES", 0)
    twinlens_export.write_portable(compared.bundle, tmp_path / "portable", ["fp32"])
    assert (tmp_path / "portable" / "onnx" / "text_model.onnx_data").exists()
    wanted = compared.prepare("fp32", tmp_path)
    packages = environments.folder / "node"
    bare = f"{block('external data')}\nconst [textRows, imageRows] = [text_embeds, text_embeds];\n"
    rows = run_node(program, packages, bare, tmp_path)["text"]
    assert np.einsum("nd,nd->n", rows, wanted["text"]).min() > SAME_INPUT
    found = run_node(program, packages, block("transformers.js", "fp32"), tmp_path)["text"]
    assert np.einsum("nd,nd->n", found, wanted["text"]).min() > SAME_INPUT


def test_the_page_has_the_figures_of_the_last_run() -> None:
    page = PAGE.read_text(encoding="utf-8")
    figures = json.loads(OUT.read_text(encoding="utf-8"))
    assert page_with(page, figures) == page, "python -m bench.portability writes it"
    assert list(figures["cells"]) == [tool.name for tool in TOOLS]
    assert list(figures["traced"]) == [tool.name for tool in TRACED]
    for precision in SUFFIXES:
        for tool in TOOLS:
            cell = figures["cells"][tool.name][precision]
            assert cell["text"] > SAME_INPUT
            assert cell["image"] > tool.least_of_images(precision)
        for tool in TRACED:
            cell = figures["traced"][tool.name][precision]
            assert cell["image"] > tool.least_of_images(precision)


def test_every_block_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    named = {name: code for name, _, code in BLOCK.findall(page)}
    assert len(re.findall(r"^```\w", page, re.MULTILINE)) == len(named)
    others = {"command", "bundle", "metadata", "external data"}
    assert named.keys() == {tool.block for tool in TOOLS} | others
    monkeypatch.chdir(tmp_path)
    program, *arguments = named["command"].split()
    assert program == "twinlens-export"
    assert main([*arguments, "--precision", "int8"]) == 0
    exec(named["metadata"])
    said = capsys.readouterr().out
    for name in ("twinlens.modality", "twinlens.source_sha256", "license"):
        assert name in said
