"""The portable folder: its files, its rows in a plain onnxruntime, and its refusals."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator
from transformers import AutoImageProcessor, AutoTokenizer

import twinlens
from twinlens.bundle.bundle import Bundle
from twinlens.demo.samples import bundled_drawings
from twinlens_export import ExportError, progress, write_portable
from twinlens_export.__main__ import main
from twinlens_export.architecture import PixelNormalization
from twinlens_export.errors import AgreementError
from twinlens_export.graph.graph import Graph
from twinlens_export.portable import portable_tower
from twinlens_export.verification.odd_texts import ODD_TEXTS

ONNX = {"onnx/text_model_quantized.onnx", "onnx/vision_model_quantized.onnx"}
BESIDE = {
    "README.md", "config.json", "preprocessor_config.json", "special_tokens_map.json",
    "tokenizer.json", "tokenizer_config.json",
}  # fmt: skip
NEAR = 0.9998
"""Least cosine of rows in int8 by other operators; see `bench/portability/tools.py`."""


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_files_are_those_of_the_hub(folder: Path) -> None:
    assert names(folder) == ONNX | BESIDE
    assert "model_type" in json.loads((folder / "config.json").read_text())


@pytest.mark.parametrize("name", sorted(ONNX))
def test_a_tower_has_operators_of_onnx_alone_and_says_what_it_is(folder: Path, name: str) -> None:
    model = onnx.load(folder / name)
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions
    assert model.producer_name == "twinlens"
    assert model.producer_version == twinlens.__version__
    assert "tower of" in model.doc_string
    assert "float pixels" in model.doc_string
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["twinlens.precision"] == "int8"
    assert about["license"] == "apache-2.0"
    assert len(about["twinlens.source_sha256"]) == 64


@pytest.mark.parametrize("name", sorted(ONNX))
def test_the_weights_of_integer_products_are_unsigned(folder: Path, name: str) -> None:
    """Sums of signed ones saturate in onnxruntime on x86 without VNNI, and no tool prevents it."""
    graph = onnx.load(folder / name).graph
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMulInteger"]
    assert products
    assert {kinds[node.input[1]] for node in products} == {onnx.TensorProto.UINT8}


def test_texts_by_autotokenizer_have_the_rows_of_twinlens(folder: Path) -> None:
    """Odd texts too, of every length; a tool that cuts the end token off does no harm."""
    texts = [drawing.caption for drawing in bundled_drawings()] + list(ODD_TEXTS)
    wanted = twinlens.load("demo", precision="int8").embed_texts(texts, on_cut="ignore")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    session = onnxruntime.InferenceSession(folder / "onnx/text_model_quantized.onnx")
    whole = tokenizer(texts, padding=True, truncation=True)["input_ids"]
    uncut = tokenizer(texts, padding=True)["input_ids"]
    beheaded = [row[:32] for row in uncut]
    for ids in (whole, beheaded, [row[:200] for row in uncut]):
        (rows,) = session.run(["text_embeds"], {"input_ids": np.array(ids, np.int64)})
        assert np.einsum("nd,nd->n", rows, wanted).min() > NEAR


def test_pictures_by_autoimageprocessor_have_the_rows_of_twinlens(
    folder: Path, photos: list[object]
) -> None:
    wanted = twinlens.load("demo", precision="int8").embed_images(photos)  # type: ignore[arg-type]
    processor = AutoImageProcessor.from_pretrained(folder)
    pixels = processor(photos, return_tensors="np")["pixel_values"]
    file = folder / "onnx/vision_model_quantized.onnx"
    (rows,) = onnxruntime.InferenceSession(file).run(["image_embeds"], {"pixel_values": pixels})
    assert np.einsum("nd,nd->n", rows, wanted).min() > 0.999  # torchvision's resize, where it is
    (theirs,) = ReferenceEvaluator(str(file)).run(None, {"pixel_values": pixels[:2]})
    assert np.einsum("nd,nd->n", theirs, rows[:2]).min() > NEAR


def test_large_weights_are_a_second_file_of_which_config_json_tells(
    split: Path, folder: Path
) -> None:
    data = {f"{name}_data" for name in ONNX}
    assert names(split) == ONNX | BESIDE | data
    config = json.loads((split / "config.json").read_text())
    external = config["transformers.js_config"]["use_external_data_format"]
    assert external == {Path(name).name: 1 for name in ONNX}
    assert "transformers.js_config" not in json.loads((folder / "config.json").read_text())
    for name in ONNX:
        onnx.checker.check_model(split / name, full_check=True)
        keys = {
            entry.value
            for tensor in onnx.load(split / name, load_external_data=False).graph.initializer
            for entry in tensor.external_data
            if entry.key == "location"
        }
        assert keys == {f"{Path(name).name}_data"}
    name = "onnx/text_model_quantized.onnx"
    ids = {"input_ids": np.array([[3070, 320, 1547, 3071]])}
    rows = [onnxruntime.InferenceSession(one / name).run(None, ids)[0] for one in (split, folder)]
    np.testing.assert_array_equal(*rows)


def test_the_command_writes_beside_a_bundle_and_replaces_only_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "portable"
    command = ["demo", "--portable", str(place), "--precision", "int8"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == sorted(ONNX, reverse=True)
    assert all(float(line.split()[-1]) > NEAR for line in lines[:-1])
    assert lines[-1] == str(place)
    assert main(command) == 1
    assert "replace it with --force" in capsys.readouterr().err
    (place / "README.md").write_text("of somebody else")
    assert main([*command, "--force"]) == 1
    assert "is left alone" in capsys.readouterr().err
    assert (place / "README.md").read_text() == "of somebody else"


def test_the_work_and_the_time_left_are_told(
    demo: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(progress, "LINE_S", 0.005)
    write_portable(demo, tmp_path / "told", ["int8"], progress=True)
    told = capsys.readouterr().err
    assert re.search(r"^twinlens-export: 0%, the image tower in int8$", told, re.MULTILINE)
    assert re.search(
        r"^twinlens-export: \d+%, the text tower in int8, \d+ s left$", told, re.MULTILINE
    )
    write_portable(demo, tmp_path / "silent", ["int8"])
    assert not capsys.readouterr().err


def test_what_a_bundle_lacks_is_named(demo: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"has no towers in fp32, only in int8; choose"):
        write_portable(demo, tmp_path / "out", ["fp32"])
    with pytest.raises(ExportError, match="names for fp32, fp16, int8, and none for fp8; choose"):
        write_portable(demo, tmp_path / "out", ["int8", "fp8"])  # type: ignore[list-item]
    files = {name: one for name, one in demo.manifest.files.items() if "_config" not in name}
    older = replace(demo, manifest=replace(demo.manifest, files=files))
    with pytest.raises(ExportError, match=r"has no tokenizer_config\.json, without which no tool"):
        write_portable(older, tmp_path / "out", ["int8"])
    assert not list(tmp_path.iterdir())


def test_a_precision_without_a_name_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, place = tmp_path / "out", tmp_path / "portable"
    for given in (["no-checkpoint", str(out)], ["demo"]):
        assert main([*given, "--portable", str(place), "--precision", "bf16"]) == 1
        said = capsys.readouterr().err
        assert "names for fp32, fp16, int8, and none for bf16; choose among these" in said
    assert not list(tmp_path.iterdir())


def test_pixels_are_those_of_the_processor_that_its_own_file_names(
    demo: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = portable_tower.normalization_of

    def mistaken(bundle: Bundle) -> PixelNormalization:
        return replace(own(bundle), mean=(0.0, 0.0, 0.0))

    monkeypatch.setattr(portable_tower, "normalization_of", mistaken)
    with pytest.raises(AgreementError, match=r"worst cosine of 0\.\d+ with the bundle's tower"):
        write_portable(demo, tmp_path / "out", ["int8"])


def test_a_tower_that_is_far_from_the_bundles_own_is_not_written(
    demo: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = portable_tower.float_pixels

    def mistaken(graph: Graph, known: PixelNormalization) -> Graph:
        return own(graph, replace(known, mean=(0.0, 0.0, 0.0)))

    monkeypatch.setattr(portable_tower, "float_pixels", mistaken)
    with pytest.raises(AgreementError, match=r"worst cosine of 0\.\d+ with the bundle's tower"):
        write_portable(demo, tmp_path / "out", ["int8"])
    assert not list(tmp_path.iterdir())
