import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.bundle.bundle import MANIFEST, Bundle, open_bundle, write_manifest
from twinlens.bundle.calibration import Calibration, HeldOut, Threshold
from twinlens.bundle.curves import BetaCurve, CalibrationCurve, IsotonicCurve, PlattCurve
from twinlens.bundle.manifest import FORMAT, Manifest
from twinlens.bundle.sealed_json import sealed, write_sealed
from twinlens.errors import BundleError, TwinlensError
from twinlens.loading import folder_of

FILES = ("onnx/vision_model.onnx", "onnx/text_model.onnx", "tokenizer.json", "config.json")


def alter(bundle: Bundle, *place: str, value: object) -> Path:
    """Change one field of the manifest, and seal it anew."""
    path = bundle.path(MANIFEST)
    document = json.loads(path.read_text(encoding="utf-8"))
    part: dict[str, Any] = document
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    write_sealed(path, document)
    return bundle.folder


def test_a_whole_bundle_is_opened_and_checked(bundle: Bundle) -> None:
    bundle.check("fp32")
    assert bundle.manifest.format == FORMAT
    assert bundle.path("tokenizer.json").is_file()


@pytest.mark.parametrize(
    "curve",
    [
        PlattCurve(scale=97.25, bias=-20.1),
        BetaCurve(rising=3.5, falling=0, bias=-1),
        IsotonicCurve(cosines=(0.1, 0.25), probabilities=(0.001, 0.999)),
    ],
)
def test_a_manifest_survives_the_disk(
    bundle: Bundle, tmp_path: Path, curve: CalibrationCurve
) -> None:
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
    towers = bundle.manifest.towers["fp32"]
    unknown = replace(towers.text, agreement=replace(towers.text.agreement, top1=math.nan))
    manifest = replace(bundle.manifest, towers={"fp32": replace(towers, text=unknown)})
    write_manifest(tmp_path, bundle.manifest)
    before = (tmp_path / MANIFEST).read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_manifest(tmp_path, manifest)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [MANIFEST]
    assert (tmp_path / MANIFEST).read_bytes() == before
    with pytest.raises(ValueError, match="native_scale is nan, not a positive number"):
        replace(bundle.manifest, native_scale=math.nan)


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no readable twinlens\.json \(No such file.*export"):
        open_bundle(tmp_path)


def test_a_checkpoint_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BundleError, match="it is a checkpoint: twinlens-export makes a bundle"):
        open_bundle(tmp_path)


def test_a_file_is_no_bundle(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"is not a bundle.*Not a directory"):
        open_bundle(bundle.path("tokenizer.json"))
    with pytest.raises(BundleError, match=r"is not a bundle.*; give the folder that it lies in"):
        open_bundle(bundle.path("twinlens.json"))


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
        (("native_scale",), -1, "native_scale is -1.0, not a positive number"),
        (("native_scale",), 1e308, r"native_scale is 1e\+308, not a positive .* at most 1e\+06"),
        (("native_scale",), 10**400, r"native_scale is 1000*\.\.\.0*, not a finite number"),
        (("image", "side_px"), 10**5, "image: side_px is 100000, wanted at most 8192"),
        (("text", "context"), 2**20, "text: context is 1048576, wanted at most 65536"),
        (("text", "context"), 2**64, "text: context is 18446744073709551616, wanted at most 65536"),
        (("text", "pad_id"), 10**300, r"text: pad_id is 1000*\.\.\.0*, not the id of a token"),
        (("text", "pad_id"), -1, "text: pad_id is -1, not the id of a token"),
        (("text", "end_id"), 2**31, "text: end_id is 2147483648, not the id of a token"),
        (("a\nb",), 1, r"a\\nb is not a known field"),
        (("x" * 10**5,), 1, "xxx is not a known field"),
        (("made_by",), {"a\n": 1}, r"made_by\.a\\n is 1, not str"),
        (
            ("calibrations",),
            {"fp32": {"curve": {"kind": []}}},
            r"curve\.kind is \[\], not platt",
        ),
        (
            ("calibrations",),
            {"fp32": {"curve": {"kind": "platt", "scale": 1e308, "bias": 0}}},
            r"fp32\.curve: scale and bias are 1e\+308 and 0\.0, wanted at most 1e\+30 together",
        ),
        (
            ("calibrations",),
            {"fp32": {"curve": {"kind": "beta", "rising": 1, "falling": 1e308, "bias": 0}}},
            r"rising, falling and bias are 1\.0, 1e\+308 and 0\.0, wanted at most 1e\+30 each",
        ),
        (("image", "side_px"), 0, "image: side_px is 0"),
        (("image", "resize"), "stretch", r"image\.resize is 'stretch', not one of shortest_edge"),
        (("text", "context"), 1, "text: context is 1"),
        (("text", "tokenizer"), "vocab.json", r"files has no hash of vocab\.json"),
        (("text", "tokenizer"), "\x1b[2J\n" * 1000, r"files has no hash of \\x1b\[2J\\n"),
        (("towers",), {}, "towers is empty"),
        (("towers", "int4"), {}, "the key 'int4' of towers"),
        (("towers", "fp32", "image"), None, r"towers\.fp32 has text, but there are"),
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
    with pytest.raises(BundleError, match=f"is damaged: .*{message}.*; export it again") as caught:
        open_bundle(folder)
    assert len(str(caught.value)) < 400 + len(str(folder))


def test_a_number_that_json_has_not_is_refused(bundle: Bundle) -> None:
    path = bundle.path(MANIFEST)
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(sealed({**document, "native_scale": math.inf})))
    with pytest.raises(BundleError, match="native_scale is inf, not a finite number"):
        open_bundle(bundle.folder)


def test_every_flipped_bit_of_a_manifest_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    demo = open_bundle(folder_of("demo"))
    whole = demo.path(MANIFEST).read_bytes()
    loaded = 0
    for bit in np.random.default_rng(0).integers(8 * len(whole), size=1000):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << (bit % 8)
        (tmp_path / MANIFEST).write_bytes(content)
        try:
            found = open_bundle(tmp_path)
        except BundleError:
            continue
        loaded += 1
        assert found.manifest == demo.manifest
    assert loaded < 100  # a space that became a tab or a line feed, a digit beyond float64's


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("native_scale",), 99.0),
        (("text", "context"), 3),
        (("image", "interpolation"), "bilinear"),
        (("sha256",), "0" * 64),
        (("sha256",), []),
    ],
)
def test_an_edited_manifest_is_refused(
    bundle: Bundle, place: tuple[str, ...], value: object
) -> None:
    path = bundle.path(MANIFEST)
    document = json.loads(path.read_text(encoding="utf-8"))
    part = document
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(BundleError, match=r"was changed after it was written: .* its own sha256"):
        open_bundle(bundle.folder)
    del document["sha256"]
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(BundleError, match="has no sha256 of its own; export it again"):
        open_bundle(bundle.folder)


def test_a_manifest_may_be_indented_anew(bundle: Bundle) -> None:
    path = bundle.path(MANIFEST)
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(dict(reversed(document.items()))), encoding="utf-8")
    assert open_bundle(bundle.folder).manifest == bundle.manifest


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices have other names elsewhere")
@pytest.mark.parametrize("name", [MANIFEST, *FILES])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "circle", "sparse"])
def test_only_regular_files_of_a_sane_size_are_read(bundle: Bundle, name: str, kind: str) -> None:
    path = bundle.path(name)
    path.unlink()
    makers: dict[str, Callable[[], object]] = {
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "folder": path.mkdir,
        "circle": lambda: path.symlink_to(path.name),
        "sparse": lambda: (path.touch(), os.truncate(path, 2**40)),
    }
    makers[kind]()
    reasons = "Not a regular file|Is a directory|Too many levels|1099511627776 bytes, wanted"
    with pytest.raises(BundleError, match=reasons):
        open_bundle(bundle.folder).check("fp32")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "\ud800", "a\nb"])
def test_a_folder_of_any_name_that_is_no_bundle_is_one_short_line(name: str) -> None:
    with pytest.raises(BundleError, match=r"is not a bundle: (no read|it does not)") as caught:
        open_bundle(Path(name))
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


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
    found = r"\d+ bytes, wanted \d+" if name.startswith("onnx/") else "sha256 .*, wanted .*"
    for content in (whole[:-1], whole + b"\n", b""):
        path.write_bytes(content)
        with pytest.raises(BundleError, match=f"{found}; export it again"):
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
