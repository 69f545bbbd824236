import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.bundle.bundle import MANIFEST, Bundle, open_bundle, write_manifest
from twinlens.bundle.calibration import Calibration, HeldOut, Threshold
from twinlens.bundle.curves import Beta, Curve, Line, Stairs
from twinlens.bundle.manifest import FORMAT, Manifest
from twinlens.errors import BundleError, TwinlensError

FILES = ("onnx/vision_model.onnx", "onnx/text_model.onnx", "tokenizer.json", "config.json")


def alter(bundle: Bundle, *place: str, value: object) -> Path:
    """Change one field of the manifest, and nothing else."""
    path = bundle.path(MANIFEST)
    document = json.loads(path.read_text(encoding="utf-8"))
    part: dict[str, Any] = document
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    path.write_text(json.dumps(document), encoding="utf-8")
    return bundle.folder


def test_a_whole_bundle_is_opened_and_checked(bundle: Bundle) -> None:
    bundle.check("fp32")
    assert bundle.manifest.format == FORMAT
    assert bundle.path("tokenizer.json").is_file()


@pytest.mark.parametrize(
    "curve",
    [
        Line(scale=97.25, bias=-20.1),
        Beta(rising=3.5, falling=0, bias=-1),
        Stairs(cosines=(0.1, 0.25), probabilities=(0.001, 0.999)),
    ],
)
def test_a_manifest_survives_the_disk(bundle: Bundle, tmp_path: Path, curve: Curve) -> None:
    calibration = Calibration(
        curve=curve,
        prior=0.5,
        level="fitted-pairs",
        fitted_on="zoë's 100 pairs",
        matching=100,
        others=9900,
        negatives="random",
        towers=bundle.manifest.towers["fp32"].calibrated_for(),
        held_out=HeldOut(pairs=200, base_rate=0.5, ece=0.01, brier=0.1, log_loss=0.3, auc=0.9),
        thresholds=(Threshold(probability=0.5, precision=0.9, recall=0.8),),
    )
    manifest = replace(
        bundle.manifest, calibrations={"fp32": calibration}, made_by={"twinlens": "0.1.0"}
    )
    write_manifest(tmp_path, manifest)
    assert open_bundle(tmp_path).manifest == manifest
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [MANIFEST]


def test_a_manifest_that_could_not_be_read_is_not_written(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_manifest(tmp_path, replace(bundle.manifest, native_scale=math.nan))
    assert not (tmp_path / MANIFEST).exists()


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no readable twinlens\.json \(No such file.*export"):
        open_bundle(tmp_path)


def test_a_file_is_no_bundle(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"is not a bundle.*Not a directory"):
        open_bundle(bundle.path("tokenizer.json"))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5000])
def test_a_manifest_that_is_not_json_is_refused(bundle: Bundle, content: bytes) -> None:
    bundle.path(MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match="is not JSON"):
        open_bundle(bundle.folder)


@pytest.mark.parametrize("document", ["[]", "null", "{}", '{"format": "1"}', '{"format": 2}'])
def test_a_manifest_of_another_format_is_refused(bundle: Bundle, document: str) -> None:
    bundle.path(MANIFEST).write_text(document)
    with pytest.raises(BundleError, match=r"has format .*, this twinlens reads 1; export it again"):
        open_bundle(bundle.folder)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("format",), True, "format is True, not int"),
        (("width",), 0, "width is 0"),
        (("width",), "3", "width is '3', not int"),
        (("widht",), 3, "widht is not a known field"),
        (("native_scale",), math.inf, "native_scale is inf, not a finite number"),
        (("image", "side_px"), 0, "image: side_px is 0"),
        (("image", "resize"), "stretch", r"image\.resize is 'stretch', not one of shortest_edge"),
        (("text", "context"), 1, "text: context is 1"),
        (("text", "tokenizer"), "vocab.json", r"files has no hash of vocab\.json"),
        (("towers",), {}, "towers is empty"),
        (("towers", "int4"), {}, "the key 'int4' of towers"),
        (("towers", "fp32", "image"), None, r"towers\.fp32\.image is None"),
        (("towers", "fp32", "device"), "tpu", r"towers\.fp32\.device is 'tpu'"),
        (("calibrations",), {"fp32": {"scale": 1}}, r"fp32\.scale is not a known field"),
        (("calibrations",), {"fp32": {"curve": {}}}, r"fp32\.curve\.kind is None, not platt, beta"),
        (
            ("calibrations",),
            {"fp32": {"curve": {"kind": "platt", "scale": 1}}},
            r"fp32\.curve\.bias is missing",
        ),
        (
            ("calibrations",),
            {"fp32": {"curve": {"kind": "platt", "scale": -1, "bias": 0}}},
            r"fp32\.curve: scale is -1\.0; a higher cosine must mean a likelier match",
        ),
    ],
)
def test_a_wrong_field_of_a_manifest_is_named(
    bundle: Bundle, place: tuple[str, ...], value: object, message: str
) -> None:
    folder = alter(bundle, *place, value=value)
    with pytest.raises(BundleError, match=f"is damaged: .*{message}.*; export it again"):
        open_bundle(folder)


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "onnx/../../secret",
        "/etc/passwd",
        "..\\secret",
        "C:\\secret",
        "C:secret",
        "a\0b",
        "",
        ".",
        "onnx//model",
        "model.onnx\n",
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(bundle: Bundle, name: str) -> None:
    folder = alter(bundle, "towers", "fp32", "image", "file", value=name)
    with pytest.raises(BundleError, match="which is no plain path inside the bundle"):
        open_bundle(folder)
    alter(bundle, "towers", "fp32", "image", "file", value="onnx/vision_model.onnx")
    alter(bundle, "files", name, value="0" * 64)
    with pytest.raises(BundleError, match="which is no plain path inside the bundle"):
        open_bundle(folder)


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_is_found(bundle: Bundle, name: str) -> None:
    path = bundle.path(name)
    whole = path.read_bytes()
    for bit in np.random.default_rng(0).integers(8 * len(whole), size=25):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(content)
        with pytest.raises(BundleError, match="was changed after the export"):
            bundle.check("fp32")
    path.write_bytes(whole)
    bundle.check("fp32")


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_cut_or_prolonged_is_found(bundle: Bundle, name: str) -> None:
    path = bundle.path(name)
    whole = path.read_bytes()
    for content in (whole[:-1], whole + b"\n", b""):
        path.write_bytes(content)
        with pytest.raises(BundleError, match=r"sha256 .*, wanted .*; export it again"):
            bundle.check("fp32")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(bundle: Bundle, name: str) -> None:
    bundle.path(name).unlink()
    with pytest.raises(TwinlensError, match=f"no readable {name} .No such file"):
        bundle.check("fp32")


def test_links_as_in_a_download_cache_are_followed(bundle: Bundle, tmp_path: Path) -> None:
    path = bundle.path("tokenizer.json")
    path.symlink_to(path.rename(tmp_path / "blob"))
    bundle.check("fp32")


def test_a_calibration_belongs_to_both_towers(bundle: Bundle) -> None:
    towers = bundle.manifest.towers["fp32"]
    others = [
        replace(towers, image=replace(towers.image, sha256="1" * 64)),
        replace(towers, text=replace(towers.text, sha256="1" * 64)),
        replace(towers, image=towers.text, text=towers.image),
    ]
    assert len({pair.calibrated_for() for pair in [towers, *others]}) == 4


def test_a_manifest_without_towers_cannot_be_made(bundle: Bundle) -> None:
    with pytest.raises(ValueError, match="towers is empty"):
        replace(bundle.manifest, towers={})
    assert isinstance(bundle.manifest, Manifest)
