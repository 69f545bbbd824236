"""Compiled parts that cannot be loaded: a slower way, one line, and no other blamed."""

import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import twinlens_kernels
from twinlens_kernels import operators
from twinlens_kernels.compiled import FUNCTIONS, NATIVE, require_whole

needs_native = pytest.mark.skipif(not NATIVE, reason="the kernels are not compiled")

LOAD = (
    "import twinlens; model = twinlens.load('demo', device='cpu'); "
    "print(*model.embed_texts(['a dog'])[0, :3], model.about)"
)
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for path in Path(twinlens_kernels.__file__).parent.rglob("*.py")
)
KINDS = ["garbage", "cut", "empty", "end lost", "other library", "other machine"]
OTHER = {"*twinlens_operators.*": "_native.*.so", "_native.*.so": "*twinlens_operators.*"}
DOCTOR = "from twinlens.__main__ import main; print('code', main(['doctor']))"


def run(code: str, packages: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    # A run of the tests that wants native kernels everywhere must not ask for damaged ones.
    own = {key: value for key, value in os.environ.items() if not key.startswith("TWINLENS_")}
    environment = {**own, "PYTHONPATH": str(packages), **variables}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A copy of the kernels, in whose place others may be put."""
    source = Path(twinlens_kernels.__file__).parent
    shutil.copytree(source, tmp_path / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def damage(packages: Path, pattern: str, kind: str) -> str:
    (path,) = (packages / "twinlens_kernels").glob(pattern)
    whole = path.read_bytes()
    half = whole[: len(whole) // 2]
    (other,) = (packages / "twinlens_kernels").glob(OTHER[pattern])
    machine = struct.pack("<H", 0xF3)  # RISC-V
    content = {
        "garbage": b"garbage",
        "cut": half,
        "empty": b"",
        "end lost": half + bytes(len(whole) - len(half)),
        "other library": other.read_bytes(),
        "other machine": whole[:18] + machine + whole[20:],
    }
    path.unlink()  # it may be loaded in this process
    path.write_bytes(content[kind])
    return path.name


@needs_native
@pytest.mark.parametrize("kind", KINDS)
def test_operators_that_cannot_be_loaded_leave_their_work_to_onnxruntime(
    packages: Path, kind: str
) -> None:
    name = damage(packages, "*twinlens_operators.*", kind)
    done = run(f"{LOAD}; {DOCTOR}", packages)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"{name} cannot be loaded: ") == 1
    assert len(done.stderr.splitlines()) == 1
    assert "bundle" not in done.stderr
    assert "'operators': 'onnxruntime'" in done.stdout
    assert "code 0" in done.stdout
    assert f"onnxruntime's own operators, slower ({name} cannot be loaded: " in done.stdout


@needs_native
def test_damaged_operators_that_are_switched_off_are_not_told_of(packages: Path) -> None:
    damage(packages, "*twinlens_operators.*", "cut")
    done = run(f"{LOAD}; {DOCTOR}", packages, TWINLENS_OPERATORS="none")
    assert done.stderr == ""
    assert "onnxruntime's own operators, slower (TWINLENS_OPERATORS=none)" in done.stdout


@needs_native
@pytest.mark.parametrize("kind", KINDS)
def test_a_compiled_module_that_cannot_be_loaded_leaves_its_work_to_numpy(
    packages: Path, kind: str
) -> None:
    name = damage(packages, "_native.*.so", kind)
    search = (
        "import numpy as np; index = twinlens.Index.build(model.embed_texts(['a', 'b'])); "
        "assert index.search(model.embed_texts(['b']), k=1).ids.tolist() == [[1]]; "
        "assert model.embed_images([np.zeros((90, 70, 3), np.uint8)]).shape == (1, 192)"
    )
    done = run(f"{LOAD}; {search}; {DOCTOR}", packages)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"{name} cannot be loaded: ") == 1
    assert len(done.stderr.splitlines()) == 1
    assert "code 0" in done.stdout
    assert f"kernels: numpy ({name} cannot be loaded: " in done.stdout


@needs_native
def test_a_module_for_another_python_is_named_and_leaves_the_operators_at_work(
    packages: Path,
) -> None:
    (path,) = (packages / "twinlens_kernels").glob("_native.*.so")
    path.rename(path.with_name("_native.cpython-38-x86_64-linux-gnu.so"))
    done = run(LOAD, packages)
    assert done.returncode == 0, done.stderr
    reason = "_native.cpython-38-x86_64-linux-gnu.so is for another Python or system"
    assert done.stderr.count(reason) == 1
    assert done.stdout.split("{")[1] == run(LOAD, Path()).stdout.split("{")[1]
    assert f"kernels: numpy ({reason}" in run(DOCTOR, packages).stdout


@needs_native
def test_a_module_of_another_version_is_named(packages: Path) -> None:
    (path,) = (packages / "twinlens_kernels").glob("_native.*.so")
    path.unlink()
    (packages / "twinlens_kernels" / "_native.py").write_text("def paths(): return []")
    done = run(LOAD, packages)
    assert done.returncode == 0, done.stderr
    assert "_native.py is of another version and lacks Coded, CodesAlone, " in done.stderr


@needs_native
def test_a_module_of_this_version_has_all_that_is_asked_of_it() -> None:
    names = set(re.findall(r"_native\.(\w+)", SOURCES))
    assert names - {"py"} <= {*FUNCTIONS}


def test_the_doctor_names_variables_that_mean_nothing(tmp_path: Path) -> None:
    told = run(DOCTOR, tmp_path, TWINLENS_OPERATOR="none", TWINLENS_TRACEBACK="1")
    line = (
        "TWINLENS_OPERATOR is set and means nothing; twinlens reads TWINLENS_NATIVE, "
        "TWINLENS_OPERATORS, TWINLENS_PURE, TWINLENS_TRACEBACK\n"
    )
    assert told.stdout.count("means nothing") == told.stdout.count(line) == 1


@needs_native
def test_operators_that_onnxruntime_refuses_leave_their_work_to_it(packages: Path) -> None:
    code = (
        "import onnxruntime\n"
        "class Options(onnxruntime.SessionOptions):\n"
        "    def register_custom_ops_library(self, path):\n"
        "        raise RuntimeError('The requested API version [99] is\\nnot available')\n"
        "onnxruntime.SessionOptions = Options\n"
    )
    done = run(code + LOAD, packages)
    assert done.returncode == 0, done.stderr
    served = "onnxruntime refuses them: The requested API version [99] is not available"
    assert (served in done.stderr) is (operators.path() is not None)


@pytest.mark.parametrize("name", ["avx3", "x" * 10_000, "AMX", " amx"])
def test_operators_that_do_not_exist_are_an_error(name: str, tmp_path: Path) -> None:
    done = run(LOAD, tmp_path, TWINLENS_OPERATORS=name)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("twinlens.errors.ProviderError: TWINLENS_OPERATORS is '")
    assert last.endswith(f", not one of {', '.join(operators.PATHS)} and none")
    assert len(last) < 200
    told = run(DOCTOR, tmp_path, TWINLENS_OPERATORS=name)
    assert "int8 on this processor: TWINLENS_OPERATORS is '" in told.stdout


def test_operators_that_cannot_serve_here_are_an_error(tmp_path: Path) -> None:
    lacking = [name for name in operators.PATHS if not serves(name)]
    for name in lacking:
        done = run(LOAD, tmp_path, TWINLENS_OPERATORS=name)
        assert re.search(f"TWINLENS_OPERATORS is '{name}', but this processor or", done.stderr)
        assert f"set it to {', '.join((*operators.runnable(), 'none'))}" in done.stderr
    for name in set(operators.PATHS) - {*lacking}:
        assert run(LOAD, tmp_path, TWINLENS_OPERATORS=name).returncode == 0


def serves(name: str) -> bool:
    code = "from twinlens_kernels import operators; print(operators._answer(operators.SERVING))"
    return run(code, Path(), TWINLENS_OPERATORS=name).stdout.strip() == name


def test_the_names_are_those_of_the_build() -> None:
    build = Path(__file__).parents[3] / "kernels/src/cpu/instruction_sets.cmake"
    named = re.findall(r"twinlens_instruction_set\((\w+) LIBRARY operators ", build.read_text())
    assert tuple(named) == operators.PATHS


def test_a_library_of_another_system_is_left_to_the_loader(tmp_path: Path) -> None:
    library = tmp_path / "library"
    for content in (b"", b"MZ", b"\x7fELF\x01\x01" + bytes(80), b"\x7fELF\x02\x01"):
        library.write_bytes(content)
        require_whole(library)
