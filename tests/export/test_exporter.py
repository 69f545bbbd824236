"""The export: from a checkpoint to a bundle, opened by the runtime."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from rows_by_each_set import different, rows_by_each_set
from safetensors.torch import load_file, save_file
from transformers_rows import transformers_rows

import twinlens
import twinlens_export
from twinlens.bundle.bundle import Bundle, sha256_of, write_manifest
from twinlens.bundle.specs import PRECISIONS, Precision
from twinlens.commands.info import tower_table
from twinlens.errors import BundleError
from twinlens.ort import native_operators
from twinlens.texts.tokenizer import Tokenizer
from twinlens_export import exporter, tower_writer
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.native_fp32 import NativeFloatBlocks
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.checkpoints.hub_files import TOKENIZER
from twinlens_export.errors import AgreementError, CheckpointError, ExportError
from twinlens_export.graph.graph import Graph
from twinlens_export.graph.shape_nodes import shape_nodes
from twinlens_export.precision import BuildGraph
from twinlens_export.verification import verify
from twinlens_export.verification.samples import SampleFiles
from twinlens_export.verification.verify import Tolerance
from twinlens_kernels import operators

TEXTS = ["a dog", "Two CATS, asleep!", "x", "a bus in the rain " * 20]


@pytest.fixture(scope="module")
def bundle(
    folders: Callable[[str], Path],
    sample_files: SampleFiles,
    tmp_path_factory: pytest.TempPathFactory,
) -> Bundle:
    """The smallest random checkpoint in every precision."""
    out = tmp_path_factory.mktemp("bundles") / "all"
    with pytest.MonkeyPatch.context() as patch:
        # Random towers put all images almost in one place, so rankings mean little.
        patch.setitem(verify.TOLERANCES, "int8", Tolerance(worst_cosine=0.995))  # type: ignore[arg-type]
        return twinlens_export.export(
            folders("demo"), out, precisions=PRECISIONS, samples=sample_files
        )


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_runtime_agrees_with_transformers_from_end_to_end(
    precision: str, bundle: Bundle, folders: Callable[[str], Path], photos: list[Image.Image]
) -> None:
    model = twinlens.load(bundle.folder, device="cpu", precision=precision)
    image_rows, text_rows = transformers_rows(folders("demo"), photos, TEXTS)
    # Resampling differs by up to two levels between Pillow's and torchvision's ways.
    assert (model.embed_images(photos) * image_rows).sum(axis=1).min() > 0.999
    least = verify.TOLERANCES[precision].worst_cosine  # type: ignore[index]
    assert (model.embed_texts(TEXTS) * text_rows).sum(axis=1).min() > least


def test_the_manifest_says_what_was_written(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert list(manifest.towers) == list(PRECISIONS)
    assert {p: towers.device for p, towers in manifest.towers.items()} == {
        "fp32": "any",
        "fp16": "cuda",
        "bf16": "cpu",
        "int8": "cpu",
    }
    assert manifest.width == 192
    assert manifest.family == "clip"
    assert manifest.source.name == "demo"
    assert set(manifest.files) == {
        "config.json", "preprocessor_config.json", "special_tokens_map.json", "tokenizer.json",
        "tokenizer_config.json",
    }  # fmt: skip
    assert {"torch", "transformers", "onnx", "onnxruntime", "twinlens"} == set(manifest.made_by)
    for precision in PRECISIONS:
        bundle.check(precision)
        tower = manifest.towers[precision].text
        assert tower.bytes == sum(bundle.path(name).stat().st_size for name in tower.hashes())
        assert [*tower.native] == (["onnx/text_model_native.onnx"] if precision == "fp32" else [])
        assert tower.agreement.samples == 13  # of 20: the others are for calibration
        assert tower.kept == ()
        assert tower.one_arithmetic is (precision != "fp16")
        model = onnx.load(bundle.path(tower.file))
        assert tower.shape_nodes == shape_nodes(model) != ()


def test_the_folder_has_the_hubs_names(bundle: Bundle) -> None:
    names = {path.relative_to(bundle.folder).as_posix() for path in bundle.folder.rglob("*.*")}
    towers = {
        f"onnx/{tower}_model{suffix}.onnx"
        for tower in ("vision", "text")
        for suffix in ("", "_native", "_fp16", "_bf16", "_int8")
    }
    assert names == towers | {*bundle.manifest.files, "twinlens.json"}


@pytest.mark.skipif(operators.path() is None, reason="there are no native operators here")
def test_fp32_has_a_native_graph_and_one_for_every_runtime(
    bundle: Bundle, photos: list[Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tower = bundle.manifest.towers["fp32"].image
    (name,) = tower.native
    first, second = (onnx.load(bundle.path(file)) for file in (tower.file, name))
    for model in (first, second):
        onnx.checker.check_model(model)
    assert {node.domain for node in first.graph.node} == {""}
    assert "twinlens" in {node.domain for node in second.graph.node}
    folder = shutil.copytree(bundle.folder, tmp_path / "copy")
    fast = twinlens.load(folder, device="cpu", precision="fp32", threads=2)
    rows, alone = fast.embed_images(photos), fast.embed_images(photos[:1])
    np.testing.assert_array_equal(alone[0], rows[0])
    with monkeypatch.context() as patch:
        patch.setattr(native_operators, "serving", lambda: None)
        for low_memory in (False, True):
            slow = twinlens.load(folder, device="cpu", precision="fp32", low_memory=low_memory)
            assert (slow.embed_images(photos) * rows).sum(axis=1).min() > 0.999999
    second.doc_string = "changed"
    onnx.save(second, folder / name)
    with pytest.raises(BundleError, match=r"vision_model_native\.onnx|vision_model\.onnx"):
        twinlens.load(folder, device="cpu", precision="fp32")


@pytest.mark.parametrize(
    ("multiplies", "there", "wanted"),
    [
        (True, ("fp32", "bf16", "int8"), "int8"),
        (True, ("fp32", "bf16"), "bf16"),
        (False, ("fp32", "bf16"), "fp32"),
        (False, ("fp16", "bf16"), "bf16"),
    ],
)
def test_bf16_is_chosen_where_it_is_the_fastest_there_is(
    multiplies: bool,
    there: tuple[Precision, ...],
    wanted: str,
    bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = shutil.copytree(bundle.folder, tmp_path / "copy")
    towers = {name: bundle.manifest.towers[name] for name in there}
    write_manifest(folder, replace(bundle.manifest, towers=towers))
    monkeypatch.setattr(native_operators, "multiplies_bf16", lambda: multiplies)
    assert twinlens.load(folder, device="cpu").precision == wanted


def test_bf16_is_told_by_its_operators_and_runs_without_them(
    bundle: Bundle, photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = twinlens.load(bundle.folder, device="cpu", precision="bf16", threads=2)
    rows, alone = model.embed_images(photos), model.embed_images(photos[:1])
    assert model.about["operators"] == (operators.bf16_path() or "onnxruntime")
    np.testing.assert_array_equal(alone[0], rows[0])
    monkeypatch.setattr(native_operators, "serving", lambda: None)
    for low_memory in (False, True):
        slow = twinlens.load(bundle.folder, device="cpu", precision="bf16", low_memory=low_memory)
        assert slow.about["operators"] == "onnxruntime"
        assert (slow.embed_images(photos) * rows).sum(axis=1).min() > 0.9999


@pytest.mark.parametrize(
    ("which", "blocks", "error"),
    [("in_precision", FloatBlocks, 1), ("native_graph", NativeFloatBlocks, np.nan)],
)
def test_a_tower_below_the_tolerance_is_not_written(
    which: str,
    blocks: type[FloatBlocks | NativeFloatBlocks],
    error: float,
    folders: Callable[[str], Path],
    sample_files: SampleFiles,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whichever of its two graphs it is."""
    if which == "native_graph" and operators.path() is None:
        pytest.skip("the native graph cannot run here")

    def corrupted(build: BuildGraph, precision: str) -> Graph:
        graph = build(blocks)
        bias = graph.weights["layers.1.mlp.widen.bias"]
        graph.weights["layers.1.mlp.widen.bias"] = bias + np.float32(error)
        return graph

    monkeypatch.setattr(tower_writer, which, corrupted)
    with pytest.raises(AgreementError, match=r"image tower in fp32 is not written: .*--precision"):
        twinlens_export.export(
            folders("demo"), tmp_path / "out", precisions=["fp32"], samples=sample_files
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("half", ["images", "texts"])
def test_a_checkpoint_of_one_row_for_all_samples_is_refused(
    half: str, folders: Callable[[str], Path], sample_files: SampleFiles, tmp_path: Path
) -> None:
    """Whatever a tower does would agree with it."""
    folder = Path(shutil.copytree(folders("demo"), tmp_path / "blind"))
    weights = load_file(folder / "model.safetensors")
    blind = {
        "images": "vision_model.embeddings.patch_embedding.weight",
        "texts": "text_model.embeddings.token_embedding.weight",
    }
    if half == "texts":
        # The end of a text is found by its id; its place tells how long the text is.
        weights["text_model.embeddings.position_embedding.weight"].zero_()
    weights[blind[half]].zero_()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AgreementError, match=rf"gives one row for all \d+ {half} .*--images"):
        twinlens_export.export(folder, tmp_path / "out", precisions=["fp32"], samples=sample_files)


@pytest.fixture(scope="module")
def loud_bundle(
    loud_folder: Path, sample_files: SampleFiles, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """An int8 bundle of which a block stays in float32."""
    out = tmp_path_factory.mktemp("bundles") / "loud"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(verify.TOLERANCES, "int8", Tolerance(worst_cosine=0.995))  # type: ignore[arg-type]
        return twinlens_export.export(loud_folder, out, precisions=["int8"], samples=sample_files)


def test_what_int8_cannot_bear_stays_in_float32(loud_bundle: Bundle) -> None:
    bundle = loud_bundle
    towers = bundle.manifest.towers["int8"]
    assert towers.image.kept == ("layers.2.mlp",)
    assert towers.image.agreement.worst_cosine > 0.995
    assert towers.text.kept == ()
    assert "int8 image keeps in fp32: layers.2.mlp" in tower_table(bundle.manifest)
    bundle.check("int8")


@pytest.mark.skipif(len(operators.runnable()) < 2, reason="one set of operators runs here, or none")
def test_float32_and_bf16_have_the_same_bits_by_each_set(
    bundle: Bundle, loud_bundle: Bundle, tmp_path: Path
) -> None:
    """In fp32 and bf16, and in the blocks that int8 cannot bear."""
    asked = [(bundle.folder, "fp32"), (bundle.folder, "bf16"), (loud_bundle.folder, "int8")]
    assert list(different(rows_by_each_set(asked, tmp_path))) == []


def test_int8_is_refused_where_too_much_would_stay_in_float32(
    loud_folder: Path, sample_files: SampleFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tower_writer, "MOST_KEPT", 0.1)
    monkeypatch.setitem(verify.TOLERANCES, "int8", Tolerance(worst_cosine=0.99999))  # type: ignore[arg-type]
    with pytest.raises(AgreementError, match=r"wanted .* \(with layers\.2\.mlp, .* in float32\)"):
        twinlens_export.export(
            loud_folder, tmp_path / "out", precisions=["int8"], samples=sample_files
        )
    assert not list(tmp_path.iterdir())


def test_texts_are_cleaned_as_asked(
    folders: Callable[[str], Path], sample_files: SampleFiles, tmp_path: Path
) -> None:
    pytest.importorskip("ftfy")
    bundle = twinlens_export.export(
        folders("demo"), tmp_path / "out", precisions=["fp32"], samples=sample_files, clean="openai"
    )
    assert bundle.manifest.text.clean == "openai"
    model = twinlens.load(bundle.folder, device="cpu")
    dirty, clean = model.embed_texts(
        ["a\N{LEFT DOUBLE QUOTATION MARK}dog &amp; cat", 'a"dog & cat']
    )
    np.testing.assert_array_equal(dirty, clean)


@pytest.mark.parametrize(
    ("trained", "asked", "got"),
    [("openai", "none", "lower"), ("openai_cased", "none", "none"), ("none", "openai", "openai")],
)
def test_the_files_clean_texts_as_asked(
    trained: str, asked: str, got: str, demo_shaped: Checkpoint, tmp_path: Path
) -> None:
    pytest.importorskip("ftfy")
    spec = replace(demo_shaped.text_spec, clean=trained)  # type: ignore[arg-type]
    checkpoint = replace(demo_shaped, text_spec=spec)
    read = exporter.with_tool_files(exporter._cleaned(checkpoint, asked))  # type: ignore[arg-type]
    assert read.text_spec.clean == got
    (tmp_path / TOKENIZER).write_text(read.files[TOKENIZER])
    tokenizer = Tokenizer(tmp_path / TOKENIZER, read.text_spec)
    escaped, plain = tokenizer.encode_ragged(["&amp;", "&"])
    assert (escaped == plain) is (got == "openai")


def test_texts_of_siglip_are_cleaned_in_no_other_way(demo_shaped: Checkpoint) -> None:
    siglip = replace(demo_shaped, text_spec=replace(demo_shaped.text_spec, clean="siglip"))
    with pytest.raises(CheckpointError, match=r"without punctuation \(siglip\), .*'openai'; leave"):
        exporter._cleaned(siglip, "openai")


def test_a_bundle_is_replaced_only_by_force_and_by_the_same(
    loud_folder: Path, sample_files: SampleFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(verify.TOLERANCES, "int8", Tolerance(worst_cosine=0.995))  # type: ignore[arg-type]
    out = tmp_path / "out"

    def export(*, force: bool) -> Bundle:
        return twinlens_export.export(
            loud_folder, out, precisions=["fp32", "int8"], samples=sample_files, force=force
        )

    first = export(force=False)
    with pytest.raises(ExportError, match="is a bundle already; replace it with --force"):
        export(force=False)
    second = export(force=True)
    assert first.manifest == second.manifest
    assert sha256_of(out / "twinlens.json")
    assert list(tmp_path.iterdir()) == [out]


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\['int4'\], not some of fp32, fp16, bf16, int8"):
        twinlens_export.export("x", tmp_path / "out", precisions=["int4"])  # type: ignore[list-item]


def test_the_trained_checkpoint_passes_every_gate(demo_checkpoint: Path, tmp_path: Path) -> None:
    bundle = twinlens_export.export(demo_checkpoint, tmp_path / "out", precisions=PRECISIONS)
    for towers in bundle.manifest.towers.values():
        assert min(towers.image.agreement.mean_cosine, towers.text.agreement.mean_cosine) > 0.999
    assert not np.isnan(bundle.manifest.native_scale)
