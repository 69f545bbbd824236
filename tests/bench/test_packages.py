"""Wheels of other systems: how zig is called; the versions to test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.packages.cross.target import TARGETS
from bench.packages.cross.toolchain import toolchain
from bench.packages.outcome import counts_of
from bench.packages.versions import ENVIRONMENTS, requirements


@pytest.mark.skipif(os.name == "nt", reason="the compiler is a shell script")
@pytest.mark.parametrize("name", TARGETS)
def test_zig_gets_the_arguments_that_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if "macosx" in name:
        pytest.importorskip("ziglang", reason="macOS links its operator new")
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nfor each do echo $each; done\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    target = TARGETS[name]
    toolchain(target, tmp_path / "tools")
    given = ("-MD", "-MT", "a b.o", "-MF", "a.d", "-bundle", "-Wl,@list", "-o", "a.so", "a.cpp")
    done = subprocess.run(
        [str(tmp_path / "tools" / "c++"), *given], check=False, capture_output=True, text=True
    )
    called = ["-m", "ziglang", "c++", "-target", target.zig]
    passed = ["-shared", "-Wl,-undefined,dynamic_lookup", "-o", "a.so", "a.cpp"]
    assert done.stdout.split("\n")[:-1] == called + passed
    # The name of musl's library is changed by a program that is not beside this one.
    assert ("patchelf" in done.stderr) == ("musl" in name)
    assert (done.returncode == 0) == ("musl" not in name)


def test_a_bound_of_an_environment_takes_the_place_of_that_in_pyproject() -> None:
    lines = requirements(ENVIRONMENTS["transformers 4.57"])
    assert [line for line in lines if "transformers" in line] == ["transformers>=4.57,<4.58"]
    assert not any(line.startswith("twinlens") for line in lines)
    ordinary = [line for line in requirements(ENVIRONMENTS["floors"]) if "transformers" in line]
    assert ordinary == ["transformers>=4.57"]
    runtime = requirements(ENVIRONMENTS["floors of the runtime"])
    assert not any(line.startswith(("torch", "transformers")) for line in runtime)


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("3 passed, 1 error in 2.00s", {"passed": 3, "errors": 1}),
        (
            "== 1 failed, 30 passed, 2 skipped, 1 xfailed, 2 errors in 61.00s (0:01:01) ==",
            {"failed": 1, "passed": 30, "skipped": 2, "xfailed": 1, "errors": 2},
        ),
        ("no tests ran in 0.01s", {}),
    ],
)
def test_the_outcome_of_tests_is_read_from_the_last_line(line: str, counts: dict[str, int]) -> None:
    assert counts_of(line) == counts
