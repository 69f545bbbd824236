"""Reproducible rows: those of every processor, told by the model, or refused."""

import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from half_demo import half_demo

import twinlens
from twinlens import ProviderError
from twinlens.bundle.bundle import open_bundle, write_manifest
from twinlens.demo.samples import bundled_drawings
from twinlens.loading import folder_of
from twinlens.ort import native_operators
from twinlens.provenance import check_about
from twinlens_kernels import operators

PICTURES = [drawing.path for drawing in bundled_drawings()[:3]]
needs_native = pytest.mark.skipif(not operators.runnable(), reason="there are no native operators")


def refusal(**variables: str) -> str:
    code = "import twinlens; twinlens.load('demo', device='cpu', reproducible=True)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1]


@needs_native
@pytest.mark.skipif(operators.path() == "amx", reason="this processor is the exception")
def test_nothing_changes_where_the_operators_are_no_exception() -> None:
    usual = twinlens.load("demo", device="cpu")
    model = twinlens.load("demo", device="cpu", reproducible=True)
    assert model.about == {**usual.about, "reproducible": "yes"}
    np.testing.assert_array_equal(model.embed_images(PICTURES), usual.embed_images(PICTURES))
    np.testing.assert_array_equal(model.embed_texts(["a dog"]), usual.embed_texts(["a dog"]))
    again = pickle.loads(pickle.dumps(model))
    assert again.about == model.about


@needs_native
def test_every_set_has_reproducible_rows() -> None:
    """Those of ARM too: the set of the exception has a variant."""
    serving = set(operators.PATHS) - {"amx"} | {"amx_reproducible"}
    assert serving | set(operators.BF16_PATHS) == operators.SAME_BITS
    assert native_operators.reproducible() in serving


def test_the_operators_are_asked_for_the_bits_of_every_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = []

    class Options:
        def add_session_config_entry(self, name: str, value: str) -> None:
            entries.append((name, value))

        def register_custom_ops_library(self, path: str) -> None:
            assert Path(path) == operators.library()

    for same_bits in (False, True):
        native_operators.register(Options(), 1, same_bits=same_bits)
    told = [value for name, value in entries if name == "twinlens.reproducible"]
    assert told == ["0", "1"]
    monkeypatch.setattr(operators, "path", lambda: "amx")
    assert native_operators.reproducible() in operators.SAME_BITS


def test_the_answer_is_refused_where_nothing_gives_those_bits(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match=r"in fp16 on cpu, .* precision='int8'"):
        twinlens.load(half_demo(), device="cpu", precision="fp16", reproducible=True)
    off = refusal(TWINLENS_OPERATORS="none")
    assert off.endswith(
        "reproducible=True cannot be had: TWINLENS_OPERATORS is 'none', and only native operators "
        "give the same bits"
    )
    assert "TWINLENS_OPERATORS is 'avx', not one of" in refusal(TWINLENS_OPERATORS="avx")


@needs_native
def test_a_bundle_of_which_onnxruntime_takes_some_sums_is_refused(tmp_path: Path) -> None:
    """Both are named beside its rows, which other processors would give otherwise."""
    folder = shutil.copytree(folder_of("demo"), tmp_path / "bundle")
    bundle = open_bundle(folder)
    towers = dict(bundle.manifest.towers)
    towers["int8"] = replace(
        towers["int8"], text=replace(towers["int8"].text, one_arithmetic=False)
    )
    write_manifest(folder, replace(bundle.manifest, towers=towers))
    with pytest.raises(ProviderError, match=r"in int8 on cpu, .*; export it again, or leave"):
        twinlens.load(folder, device="cpu", reproducible=True)
    about = twinlens.load(folder, device="cpu").about
    assert "reproducible" not in about
    assert about["operators"] == f"{operators.path()} and onnxruntime"


def test_operators_of_the_same_bits_are_no_difference(caplog: pytest.LogCaptureFixture) -> None:
    for one, other, told in (
        ("avx2", "avx512vnni", 0),
        ("amx_reproducible", "avx2", 0),
        ("neondot", "avx512vnni", 0),
        ("neon", "neoni8mm", 0),
        ("avx2", "amx", 1),
        ("avx2 and onnxruntime", "avx2", 1),
        ("avx2 and onnxruntime", "avx2 and onnxruntime", 0),
        ("onnxruntime", "avx2", 1),
    ):
        caplog.clear()
        check_about({"operators": one}, {"operators": other}, modality="image")
        assert len(caplog.records) == told
