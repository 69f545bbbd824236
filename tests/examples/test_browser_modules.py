"""The modules of the page in a browser, run by node, beside the runtime."""

import base64
import re
import shutil
import unicodedata
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from browser_page import build, run_node
from half_demo import half_demo
from random_texts import random_texts

from twinlens import Model
from twinlens.bundle.bundle import Bundle, open_bundle, write_manifest
from twinlens.bundle.curves import BetaCurve, IsotonicCurve, PlattCurve
from twinlens.bundle.specs import ImageSpec, TextSpec
from twinlens.images.load import load_batch

NASTY: Final = (
    "", " ", "a dog", "  A  Dog\t\n", "<|endoftext|> a dog <|startoftext|>", "</w>", "Ġ</w>",
    "ΟΔΟΣ ΣΑΣ Σ", "İstanbul ẞ ŉ ǅ", "it's I'LL don't don\u2019t 'S", "é e\u0301 ﬁ Å",
    "👨\u200d👩\u200d👧 🇫🇷 ❤\ufe0f", "\u0085x\ufeffy\u180ez\ufeff", "\ufeff.", "½\ufeff>",
    "\u2028 \u00a0\u3000\u2029", "a\x00b\x1fc\x1c", "123 ½ ² ٣ Ⅷ", "日本語 한국어 ภาษา",
    "_under_score--!?", "\u200bzero", "z" * 300, "word " * 100, "a" * 5000,
)  # fmt: skip
SIZES: Final = ((1, 1), (3, 2), (64, 64), (65, 64), (128, 128), (40, 333), (333, 40), (517, 211),
                (101, 260), (31, 900), (900, 31), (640, 480), (63, 127))  # fmt: skip
FILL: Final = (1, 2, 3)
SPECS: Final = tuple(
    ImageSpec(side_px=64, resize=resize, interpolation=filter_, crop=crop, passes=by, fill=FILL)
    for resize, filter_, crop, by in product(
        ("shortest_edge", "squash", "pad"), ("bicubic", "bilinear", "lanczos"),
        ("floor", "round"), ("pillow_13", "width_first"),
    )
)  # fmt: skip


def known(text: str) -> str:
    """Leave out characters that Unicode 3.2 lacks: node, Python and tokenizers know others each."""
    return "".join(x for x in text if unicodedata.ucd_3_2_0.category(x) not in {"Cn", "Cs"})


def test_ids_are_those_of_the_runtime(built: Path, model: Model) -> None:
    letters = "aAzZ sS'tTΣς<|>endoftxtar 09½\u0085\ufeff\u00a0é\u0301\n.!İ"
    random = random_texts(600, excluded={"Cn", "Cs"}, letters=letters)
    texts = [*NASTY, *map(known, random)]
    body = """
        const { openTokenizer } = await import("./built/tokenizer.js");
        const read = (name) => JSON.parse(fs.readFileSync(`built/bundle/${name}.json`, "utf8"));
        return given.map(openTokenizer(read("tokenizer"), read("twinlens").text));"""
    found = run_node(built, body, texts)
    wanted = [list(row) for row in model.tokenize(texts).rows]
    assert [pair for pair in zip(texts, found, wanted, strict=True) if pair[1] != pair[2]] == []


def test_pixels_are_those_of_the_runtime_to_the_bit(built: Path) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for width, height in SIZES]
    given = {
        "specs": [asdict(spec) for spec in SPECS],
        "images": [
            {"width": image.shape[1], "height": image.shape[0], "bytes": _encoded(image)}
            for image in images
        ],
    }
    body = """
        const { pixelsOf } = await import("./built/crop.js");
        const images = given.images.map(({ bytes, ...image }) => (
            { ...image, bytes: new Uint8ClampedArray(Buffer.from(bytes, "base64")) }));
        return given.specs.map((spec) => images.map((image) =>
            Buffer.from(pixelsOf(image, spec)).toString("base64")));"""
    for spec, rows in zip(SPECS, run_node(built, body, given), strict=True):
        found = [np.frombuffer(base64.b64decode(row), np.uint8).reshape(64, 64, 3) for row in rows]
        np.testing.assert_array_equal(np.stack(found), load_batch(images, spec), str(spec))


def _encoded(image: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    opaque = np.full((*image.shape[:2], 1), 255, dtype=np.uint8)
    return base64.b64encode(np.concatenate([image, opaque], axis=2).tobytes()).decode()


@pytest.mark.parametrize(
    "curve",
    [
        PlattCurve(scale=24.6, bias=-1.45),
        BetaCurve(rising=3.0, falling=0.5, bias=1.0),
        IsotonicCurve(cosines=(-0.5, 0.1, 0.4), probabilities=(0.01, 0.5, 0.97)),
    ],
    ids=lambda curve: curve.kind,
)
def test_probabilities_are_those_of_the_runtime(
    built: Path, model: Model, curve: PlattCurve | BetaCurve | IsotonicCurve
) -> None:
    cosines, prior = np.linspace(-1, 1, 41, dtype=np.float32), 0.05
    assert model.calibration is not None
    fitted = replace(model.calibration, curve=curve)
    body = """
        const { probability } = await import("./built/calibration.js");
        return given.cosines.map((cosine) => probability(given, cosine, given.to));"""
    given = {"curve": asdict(curve), "prior": fitted.prior}
    found = run_node(built, body, given | {"cosines": cosines.tolist(), "to": prior})
    np.testing.assert_allclose(found, fitted.probability(cosines, prior=prior), rtol=1e-6)


def test_the_versions_are_exact_and_the_vendored_files_bear_no_other_name(built: Path) -> None:
    assert {path.name for path in (built / "vendor").iterdir()} == {
        "onnxruntime.js", "onnxruntime.wasm", "tokenizers.js", "tokenizers.LICENSE",
    }  # fmt: skip
    package = (Path(__file__).parents[2] / "examples/browser/package.json").read_text("utf-8")
    assert re.findall(r'": "([\^~*><].*)"', package) == []
    assert open_bundle(built / "bundle").manifest.width == 192


def test_a_folder_that_exists_is_refused(tmp_path: Path) -> None:
    done = build("demo", str(tmp_path))
    assert (done.returncode, done.stderr) == (
        1,
        f"{tmp_path} exists; give a folder that does not\n",
    )


def test_a_bundle_that_needs_more_than_the_page_has_is_refused(tmp_path: Path) -> None:
    demo = open_bundle(half_demo())
    fp16 = {"fp16": demo.manifest.towers["fp16"]}
    for name, manifest, wanted in (
        ("no-int8", replace(demo.manifest, towers=fp16, calibrations={}), "has no int8 towers"),
        ("ftfy", replace(demo.manifest, text=_cleaned(demo)), "cleans texts by openai"),
    ):
        shutil.copytree(demo.folder, tmp_path / name)
        write_manifest(tmp_path / name, manifest)
        done = build(str(tmp_path / name), str(tmp_path / "page"))
        assert done.returncode == 1
        assert wanted in done.stderr
        assert not (tmp_path / "page").exists()


def _cleaned(bundle: Bundle) -> TextSpec:
    return replace(bundle.manifest.text, clean="openai")
