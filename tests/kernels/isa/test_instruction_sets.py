"""Kernels of every instruction set that this machine runs, or qemu emulates, against brute force.

CMakeLists.txt here compiles all of kernels/src, with the flags that ship, for this machine and, by
ziglang, for others; the check programs then run whatever the processor has. What pip compiled for
this machine is not compiled again: its objects, which ship, are those that run, unless a source is
younger. Needs cmake and a compiler, for the other targets ziglang (`pip install '.[cross]'`) and
qemu-user (a package of the system). For ARM, g++-aarch64-linux-gnu serves in place of ziglang,
which first compiles its C++ library: two minutes of a core. What is missing is skipped, unless
TWINLENS_ALL_TARGETS is set, as .ci/run does.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from twinlens_kernels import NATIVE, operators

if NATIVE:
    from twinlens_kernels.native import PATHS
else:
    PATHS = ()
pytestmark = pytest.mark.skipif(not NATIVE, reason="the kernels are not compiled")

HERE: Final = Path(__file__).parent
KERNELS: Final = HERE.parents[2] / "kernels"
PIP_BUILDS: Final = HERE.parents[2] / "build"
BUILDS: Final = PIP_BUILDS / "kernel-checks"
ALL_TARGETS: Final = "TWINLENS_ALL_TARGETS"
FAMILIES: Final = ("search", "resample", "operators", "float32", "bf16")
OPERATORS: Final = frozenset({"operators", "float32", "bf16"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A system and processor that zig compiles for, and the sets that must not be left out."""

    triple: str
    system: str
    search: tuple[str, ...]
    operators: tuple[str, ...] = ()
    bf16: tuple[str, ...] = ()
    links: bool = False

    @property
    def processor(self) -> str:
        return self.triple.split("-", maxsplit=1)[0]


ARM_SETS: Final = ("neoni8mm", "neondot", "neon", "scalar")
TARGETS: Final = {
    target.triple: target
    for target in (
        Target(
            triple="aarch64-linux-musl",
            system="Linux",
            search=ARM_SETS,
            operators=ARM_SETS[:3],
            links=True,
        ),
        Target(triple="aarch64-macos", system="Darwin", search=ARM_SETS, operators=ARM_SETS[:3]),
        Target(
            triple="aarch64-windows-gnu", system="Windows", search=ARM_SETS, operators=ARM_SETS[:3]
        ),
        Target(
            triple="x86_64-linux-musl",
            system="Linux",
            search=("amx", "avx512vnni", "avxvnni", "avx2", "scalar"),
            operators=("amx", "avx512vnni", "avxvnni", "avx2"),
            bf16=("avx512bf16",),
        ),
        Target(
            triple="x86_64-windows-gnu",
            system="Windows",
            search=("avx512vnni", "avxvnni", "avx2", "scalar"),
            operators=("avx512vnni", "avxvnni", "avx2"),
            bf16=("avx512bf16",),
        ),
    )
}
ARM: Final = "aarch64-linux-musl"
# Linux's objects, of which nm shows the weak symbols; "" is this machine.
WITH_SYMBOLS: Final = ("", ARM, "x86_64-linux-musl")
# Of optimisation: that which ships, and none.
BOTH_LEVELS: Final = "-DTWINLENS_LEVELS=3;0"
# A Cortex-A76 has no matrix products of bytes, a Cortex-A72 no dot products either.
ARM_MODELS: Final = {"max": ARM_SETS, "cortex-a76": ARM_SETS[1:], "cortex-a72": ARM_SETS[2:]}
# qemu emulates neither AVX-512 nor AVX-VNNI: a server of either falls back to AVX2.
X86_MODELS: Final = {
    "Nehalem": ("scalar",),
    "Denverton": ("scalar",),
    "Haswell": ("avx2", "scalar"),
    "Skylake-Server": ("avx2", "scalar"),
    "max": ("avx2", "scalar"),
}


def whole(models: dict[str, tuple[str, ...]], model: str) -> str:
    """Option of the check programs: a set is checked whole by the leanest model that has it.

    There an instruction of a richer processor would be illegal; other models show the choice among
    the sets, and the bits of each.
    """
    leanest = {
        name: min((m for m in models if name in models[m]), key=lambda m: len(models[m]))
        for name in models[model]
    }
    return "--whole=" + ",".join(name for name, lean in leanest.items() if lean == model)


def emulated(models: Iterable[str]) -> list[tuple[str, str]]:
    """The families of each model; that of bf16 by the one with all sets, as it takes so long."""
    pairs = ((model, family) for model in models for family in FAMILIES)
    return [(model, family) for model, family in pairs if family != "bf16" or model == "max"]


def cpu_flags() -> set[str]:
    """The features of this processor as Linux lists them; none on other systems."""
    path = Path("/proc/cpuinfo")
    return set(path.read_text(encoding="utf-8").split()) if path.exists() else set()


def missing(what: str) -> None:
    """Skip for want of a tool; fail where every target is wanted."""
    if os.environ.get(ALL_TARGETS):
        pytest.fail(f"{what} is missing, and {ALL_TARGETS} is set")
    pytest.skip(f"{what} is missing")


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        missing(name)
    assert found is not None
    return found


def run(*command: str | Path, **more: str) -> str:
    """Standard output of a command that must succeed; `more` is added to the environment."""
    done = subprocess.run(
        command, env={**os.environ, **more}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command} gave {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def configured(folder: Path, *options: str, **more: str) -> Path:
    """The folder, with all objects and programs of the CMake project in it."""
    cmake = tool("cmake")
    always = ["-G", "Ninja"] if shutil.which("ninja") else []
    # A compiler of tomorrow may warn of what none does today: that fails in CI only.
    if os.environ.get(ALL_TARGETS):
        always.append("-DCMAKE_COMPILE_WARNING_AS_ERROR=ON")
    run(cmake, *always, "-S", HERE, "-B", folder, *options, **more)
    run(cmake, "--build", folder, "--parallel", str(os.cpu_count() or 1))
    return folder


def shipped() -> Path | None:
    """The build by pip of the installed kernels, if no source is younger than an object of it."""
    sources = [path for path in (KERNELS / "src").rglob("*") if path.is_file()]
    sources.append(KERNELS / "CMakeLists.txt")
    changed = max(source.stat().st_mtime for source in sources)
    platform_tag = re.sub(r"\W", "_", sysconfig.get_platform())
    for build in PIP_BUILDS.glob(f"cp*-{platform_tag}"):
        libraries = [*build.glob("_native.*"), *build.glob("libtwinlens_operators.*")]
        objects = (build / "CMakeFiles").glob("*.dir/src/**/*.o")
        oldest = min((each.stat().st_mtime for each in objects), default=0.0)
        if len(libraries) == 2 and oldest > changed:
            return build
    return None


def built_here() -> Path:
    taken = shipped()
    if taken is None:
        return configured(BUILDS / "this-machine", BOTH_LEVELS, "-DTWINLENS_SHIPPED=")
    cache = (taken / "CMakeCache.txt").read_text(encoding="utf-8")
    found = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.+)$", cache, flags=re.MULTILINE)
    assert found is not None
    return configured(
        BUILDS / "this-machine", BOTH_LEVELS, f"-DTWINLENS_SHIPPED={taken}", CXX=found[1]
    )


def compiler(target: Target) -> str | None:
    """The command that compiles for a target; None if there is none."""
    cross = shutil.which(f"{target.processor}-linux-gnu-g++") if target.links else None
    zig = f"{sys.executable} -m ziglang c++ -target {target.triple}"
    return cross or (zig if find_spec("ziglang") is not None else None)


def built_for(target: Target, cxx: str) -> Path:
    options = [
        f"-DCMAKE_SYSTEM_NAME={target.system}",
        f"-DCMAKE_SYSTEM_PROCESSOR={target.processor}",
    ]
    if target.links:
        options += [BOTH_LEVELS, "-DCMAKE_EXE_LINKER_FLAGS=-static"]
    else:
        # What no program runs is compiled to hear of errors, and for its symbols.
        options += ["-DTWINLENS_LEVELS=0", "-DTWINLENS_COMPILE_ONLY=ON", "-DCMAKE_CXX_FLAGS=-c"]
    nanobind = find_spec("nanobind")
    # The headers of this Python are those of a system with POSIX.
    if nanobind is not None and nanobind.origin is not None and target.system != "Windows":
        headers = f"{sysconfig.get_path('include')};{Path(nanobind.origin).parent / 'include'}"
        options.append(f"-DTWINLENS_PYTHON_HEADERS={headers}")
    folder = target.triple if "ziglang" in cxx else f"{target.processor}-gcc"
    return configured(BUILDS / folder, *options, CXX=cxx)


Build = Callable[[str], Path]


@pytest.fixture(scope="module")
def build() -> Iterator[Build]:
    """Gives the folder of "" (this machine) or of a target; the first call begins them all."""
    started: dict[str, Future[Path]] = {}
    with ThreadPoolExecutor(max_workers=2) as pool:

        def folder(triple: str) -> Path:
            tool("cmake")
            if not started:
                started[""] = pool.submit(built_here)
                for target in TARGETS.values():
                    cxx = compiler(target)
                    if cxx is not None:
                        started[target.triple] = pool.submit(built_for, target, cxx)
            if triple not in started:
                missing("ziglang")
            return started[triple].result()

        yield folder


# Of tests/kernels/isa/common_bits.hpp and layer_checks.hpp, on every processor. Another number is
# another definition of the operators: every row of every model changes with it.
COMMON_BITS: Final = {
    "operators": {"bits": "c1866c46efdb6657"},
    "float32": {"bits": "1b6bca8fdbd01909", "row_bits": "1ccbb997de50c5a2"},
    "bf16": {"bits": "96cd6bf9be78d0c8"},
}


def sets_with_the_common_bits(report: str, family: str) -> tuple[str, ...]:
    sets = set()
    for kind, wanted in COMMON_BITS[family].items():
        found = re.findall(rf"^{kind} (\w+) (\w+)$", report, flags=re.MULTILINE)
        assert {name: bits for name, bits in found if bits != wanted} == {}
        sets.add(tuple(name for name, _ in found))
    (names,) = sets
    return names


def sets_that_ran(report: str) -> tuple[str, ...]:
    """The sets, best first; the report, with why others were skipped, is shown by pytest -s."""
    sys.stdout.write(report)
    return tuple(re.findall(r"^runs (\w+)$", report, flags=re.MULTILINE))


def expected(family: str, sets: tuple[str, ...]) -> tuple[str, ...]:
    """The operators have no scalar kernels."""
    return tuple(s for s in sets if family not in OPERATORS or s != "scalar")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_set_of_this_machine(build: Build, family: str) -> None:
    report = run(build("") / f"{family}_check")
    ran = sets_that_ran(report)
    if family in OPERATORS:
        served = operators.bf16_path() if family == "bf16" else operators.path()
        assert ran[:1] == (() if served is None else (served,))
        common = {"amx": "amx_reproducible"} if family == "operators" else {}
        same = tuple(common.get(name, name) for name in ran)
        assert sets_with_the_common_bits(report, family) == same
    else:
        assert ran == PATHS
        if family == "search" and "amx" in report and "avx512vnni" in ran:
            assert "emulates the tiles of AMX" in report


@pytest.mark.skipif(
    not {"avx512_vnni", "avx512_bf16"} <= cpu_flags(), reason="needs the rest of AMX's instructions"
)
def test_amx_with_its_tiles_emulated(build: Build) -> None:
    program = build("") / "emulated_amx_check"
    if not program.exists():
        missing("a compiler that knows AMX")
    assert sets_with_the_common_bits(run(program), "operators") == ("amx_reproducible",)


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="emulates x86-64 Linux"
)
@pytest.mark.parametrize(("model", "family"), emulated(X86_MODELS))
def test_older_x86_processors(build: Build, model: str, family: str) -> None:
    program = build("") / f"{family}_check"
    report = run(tool("qemu-x86_64"), "-cpu", model, program, whole(X86_MODELS, model))
    ran = sets_that_ran(report)
    assert ran == expected(family, X86_MODELS[model])
    if family in COMMON_BITS:
        assert sets_with_the_common_bits(report, family) == ran


@pytest.mark.skipif(sys.platform != "linux", reason="qemu-user is Linux's")
@pytest.mark.parametrize(("model", "family"), emulated(ARM_MODELS))
def test_arm_processors(build: Build, model: str, family: str) -> None:
    program = build(ARM) / f"{family}_check"
    report = run(tool("qemu-aarch64"), "-cpu", model, program, whole(ARM_MODELS, model))
    ran = sets_that_ran(report)
    assert ran == expected(family, ARM_MODELS[model])
    if family in COMMON_BITS:
        assert sets_with_the_common_bits(report, family) == ran


@pytest.mark.parametrize("triple", TARGETS)
def test_every_system_compiles_every_set(build: Build, triple: str) -> None:
    header = build(triple) / "instruction_sets" / "cpu" / "instruction_sets.hpp"
    of_search, of_operators, of_bf16 = (
        tuple(re.findall(r"each\((\w+),", line))
        for line in header.read_text(encoding="utf-8").splitlines()
        if "define" in line
    )
    assert of_search == TARGETS[triple].search
    assert of_operators == TARGETS[triple].operators
    assert of_bf16 == TARGETS[triple].bf16


def left_to_the_linker(symbols: str) -> list[str]:
    """Functions in nm's output of which the linker keeps any file's copy, and what runs at loading.

    The compilers' own are let pass: a reference to the handler of exceptions, and clang's call of
    std::terminate.
    """
    own = ("DW.ref.", "__clang_call_terminate")
    rows = [line.split() for line in symbols.splitlines()]
    return [
        row[-1]
        for row in rows
        if len(row) >= 2
        and (row[-2] in "WVu" or row[-1].startswith("_GLOBAL__sub_I"))
        and not row[-1].startswith(own)
    ]


def test_what_is_left_to_the_linker_is_told_apart() -> None:
    symbols = """
        0000000000000000 t _ZN8twinlens12_GLOBAL__N_14dotsE
        0000000000000000 W _ZSt3minIlERKT_S2_S2_
        0000000000000000 V DW.ref.__gxx_personality_v0
        0000000000000000 u _ZN8twinlens4Grid4tileE
        0000000000000040 t _GLOBAL__sub_I_amx_kernels
                         U memcpy
    """
    assert left_to_the_linker(symbols) == [
        "_ZSt3minIlERKT_S2_S2_",
        "_ZN8twinlens4Grid4tileE",
        "_GLOBAL__sub_I_amx_kernels",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="weak symbols are ELF's")
@pytest.mark.parametrize("triple", WITH_SYMBOLS)
def test_no_function_of_an_instruction_set_serves_other_files(build: Build, triple: str) -> None:
    """Else a processor without AVX-512 could be handed std::min in AVX-512."""
    builds = [build(triple)]
    if not triple and (taken := shipped()):
        builds.append(taken)
    objects = [o for b in builds for o in (b / "CMakeFiles").glob("*.dir/**/isa/*.cpp.o")]
    assert len(objects) >= 4
    assert any("_O0.dir" in str(path) for path in objects)
    leaks = {str(path): left_to_the_linker(run(tool("nm"), path)) for path in objects}
    assert not {path: names for path, names in leaks.items() if names}
