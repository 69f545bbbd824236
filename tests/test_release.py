"""The files of a release agree with each other, and the packages hold what they promise."""

import io
import re
import subprocess
import tarfile
import tomllib
import zlib
from pathlib import Path
from typing import Any

import pytest

import twinlens
import twinlens_kernels
from twinlens.loading import folder_of

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]
PYTHONS = "Programming Language :: Python :: "
DEMO_MB = 5.6
"""Uncompressed size of the demo inside the package: with the code, it decides that of a wheel."""
WHEEL_MB, SDIST_MB = 6.0, 5.0
MEMBER_BYTES = 200
"""Names and headers of a member of a wheel: in the archive, its index and RECORD."""


def test_the_version_and_the_words_are_the_same_everywhere() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {PROJECT['version']}\n" in citation
    assert f"\nabstract: {PROJECT['description']}\n" in citation
    assert f"\nlicense: {PROJECT['license']}\n" in citation
    assert [author["name"] for author in PROJECT["authors"]] == re.findall(
        r"- name: (.*)", citation
    )
    assert twinlens.__version__ == PROJECT["version"]
    log = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## \[(.+?)\] - (unreleased|\d{4}-\d\d-\d\d)$", log, re.MULTILINE)
    assert len(releases) == len(re.findall(r"^## ", log, re.MULTILINE))
    assert releases[0][0] == PROJECT["version"]


def test_the_classifiers_name_the_pythons_that_are_promised() -> None:
    named = {c.removeprefix(PYTHONS) for c in PROJECT["classifiers"] if c.startswith(PYTHONS)}
    minors = sorted(int(name[2:]) for name in named if re.fullmatch(r"3\.\d+", name))
    assert PROJECT["requires-python"] == f">=3.{minors[0]}"
    assert minors == list(range(minors[0], minors[-1] + 1))
    assert PYPROJECT["tool"]["scikit-build"]["wheel"]["py-api"] == "cp312"
    assert set(PYPROJECT["tool"]["cibuildwheel"]["build"]) == {"cp311-*", "cp312-*"}


def test_the_readme_begins_with_the_installation_from_an_index() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"```bash\n(.*)\n", readme)[0] == (
        "pip install 'twinlens[cpu]' && twinlens demo"
    )


def test_the_package_has_one_precision_of_the_demo() -> None:
    demo = folder_of("demo").parent
    towers = sorted(path.name for path in demo.rglob("*.onnx"))
    assert towers == ["text_model_int8.onnx", "vision_model_int8.onnx"]
    size = sum(path.stat().st_size for path in demo.rglob("*") if path.is_file())
    assert size < DEMO_MB * 1e6


def test_a_wheel_is_small() -> None:
    packages = [ROOT / path for path in PYPROJECT["tool"]["scikit-build"]["wheel"]["packages"]]
    files = {path for package in packages for path in package.rglob("*") if path.is_file()}
    files |= {*Path(twinlens_kernels.__file__).parent.glob("*.so")}
    packed = [
        len(zlib.compress(path.read_bytes())) + MEMBER_BYTES
        for path in files
        if path.parent.name != "__pycache__"
    ]
    assert sum(packed) < WHEEL_MB * 1e6


@pytest.mark.skipif(not (ROOT / ".ci").exists(), reason="an sdist is what it is")
def test_an_sdist_is_small() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    left_out = tuple(PYPROJECT["tool"]["scikit-build"]["sdist"]["exclude"])
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in listed.rstrip("\0").split("\0"):
            if not any(name == path or name.startswith(f"{path}/") for path in left_out):
                member = tarfile.TarInfo(f"twinlens-{PROJECT['version']}/{name}")
                member.size = (ROOT / name).stat().st_size
                with (ROOT / name).open("rb") as content:
                    archive.addfile(member, content)
    size = packed.tell()
    assert size < SDIST_MB * 1e6


@pytest.mark.skipif(not (ROOT / ".ci").exists(), reason="an sdist is what it is")
def test_an_sdist_leaves_out_what_only_a_clone_needs() -> None:
    left_out = PYPROJECT["tool"]["scikit-build"]["sdist"]["exclude"]
    assert all((ROOT / path).exists() for path in left_out)
    assert {"bench", "export/demo_checkpoint", "tests/kit/models/demo_with_fp16"} <= {*left_out}
