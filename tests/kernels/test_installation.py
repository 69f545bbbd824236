"""Installations without compiled kernels: the reason is told, and the environment's wishes hold."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import twinlens_kernels
from twinlens_kernels import installation
from twinlens_kernels.compiled import NATIVE

TOLD = (
    "from twinlens_kernels import NATIVE, compiled, operators; "
    "print(NATIVE, compiled.REASON, operators.library() is None, sep='|')"
)
METADATA = "Metadata-Version: 2.4\nName: twinlens\nVersion: 0.1.0\n"


def run(packages: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TWINLENS_")}
    environment |= {"PYTHONPATH": str(packages), **variables}
    return subprocess.run(
        [sys.executable, "-c", TOLD], env=environment, capture_output=True, text=True, check=False
    )


def installed(folder: Path, reason: str | None) -> Path:
    """The kernels as a build without a compiler installs them, with its record."""
    source = Path(twinlens_kernels.__file__).parent
    (folder / "twinlens_kernels").mkdir()
    for path in source.rglob("*.py"):
        copy = folder / "twinlens_kernels" / path.relative_to(source)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    about = folder / "twinlens-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(METADATA)
    if reason is not None:
        (about / installation.RECORD).write_text(f"{reason}\n")
    return folder


@pytest.mark.parametrize("reason", ["a.cpp:1: error: no <cstdio>", None])
def test_a_build_that_failed_is_a_line_of_the_log_with_its_reason(
    tmp_path: Path, reason: str | None
) -> None:
    done = run(installed(tmp_path, reason))
    assert done.stdout == f"False|{reason or installation.NEVER}|True\n"
    assert done.stderr.splitlines() == [
        "numpy serves in place of the compiled kernels, slower: " + (reason or installation.NEVER)
    ]


def test_a_build_that_was_asked_for_no_kernels_is_quiet(tmp_path: Path) -> None:
    done = run(installed(tmp_path, installation.ASKED))
    assert (done.stdout, done.stderr) == (f"False|{installation.ASKED}|True\n", "")


def test_required_kernels_that_are_missing_end_the_import_with_reason_and_cure(
    tmp_path: Path,
) -> None:
    done = run(installed(tmp_path, "a.cpp:1: error: no <cstdio>"), TWINLENS_NATIVE="required")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: TWINLENS_NATIVE=required, but no compiled kernels serve: "
        f"a.cpp:1: error: no <cstdio>; {installation.CURE}"
    )


@pytest.mark.skipif(not NATIVE, reason="the kernels are not compiled")
def test_pure_leaves_the_compiled_kernels_alone_and_required_is_content_with_them() -> None:
    packages = Path(twinlens_kernels.__file__).parents[1]
    assert run(packages, TWINLENS_PURE="1").stdout == "False|TWINLENS_PURE=1|True\n"
    done = run(packages, TWINLENS_NATIVE="required", TWINLENS_PURE="0")
    assert (done.stdout, done.stderr) == ("True|None|False\n", "")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"TWINLENS_PURE": "yes"}, "TWINLENS_PURE is 'yes', wanted 1 or 0"),
        ({"TWINLENS_NATIVE": "1"}, "TWINLENS_NATIVE is '1', wanted 'required', or unset"),
        (
            {"TWINLENS_PURE": "1", "TWINLENS_NATIVE": "required"},
            "TWINLENS_PURE=1 and TWINLENS_NATIVE=required exclude each other; unset one",
        ),
    ],
)
def test_a_wish_that_means_nothing_is_an_error(variables: dict[str, str], message: str) -> None:
    done = run(Path(twinlens_kernels.__file__).parents[1], **variables)
    assert done.stderr.splitlines()[-1] == f"ImportError: {message}"


def test_the_record_of_a_build_is_read_beside_the_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "distribution", lambda _name: metadata.PathDistribution(tmp_path))
    assert installation.absence() == installation.NEVER
    (tmp_path / installation.RECORD).write_text("the compiler\n  has gone\n")
    assert installation.absence() == "the compiler has gone"
