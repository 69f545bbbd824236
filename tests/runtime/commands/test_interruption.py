"""Ctrl-C at any moment: exit code 130, and no traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Windows sends no such signal")

STRIKE = """
import signal, sys
class Striker:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Striker())
"""
RUN = "import twinlens_command; sys.exit(twinlens_command.main())"


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "module",
    [
        "twinlens",
        "numpy",
        "numpy._core.multiarray",
        "PIL.Image",
        "tokenizers",
        "twinlens.__main__",
        "twinlens.commands.classify",
        "onnxruntime",
    ],
)
def test_an_interruption_of_an_import_is_quiet(module: str) -> None:
    done = run(STRIKE.format(module=module) + RUN, "classify", "demo", "x.png", "--labels", "a")
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == ""


@pytest.mark.parametrize("place", ["parser", "_write", "joined", "_open_closed_streams"])
def test_an_interruption_of_any_act_is_quiet(place: str) -> None:
    code = (
        "import signal, sys, twinlens.__main__ as program\n"
        "def strike(*_, **__): signal.raise_signal(signal.SIGINT)\n"
        f"program.{place} = strike\n"
    )
    done = run(code + RUN, "info", "demo")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("words", ["raise ImportError('failed') from stop", "raise ValueError"])
def test_an_interruption_that_a_library_makes_its_own_error_is_quiet(words: str) -> None:
    code = (
        "import signal, sys\n"
        "from twinlens.commands import doctor\n"
        "def run(options):\n"
        "    try: signal.raise_signal(signal.SIGINT)\n"
        f"    except KeyboardInterrupt as stop: {words}\n"
        "doctor.run = run\n"
    )
    done = run(code + RUN, "doctor")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_interruption_after_the_answer_is_quiet() -> None:
    code = "import atexit, signal, sys\natexit.register(signal.raise_signal, signal.SIGINT)\n"
    done = run(code + RUN, "--version")
    assert (done.returncode, done.stderr) == (130, "")
    assert done.stdout == "" or done.stdout.startswith("twinlens ")


@pytest.mark.parametrize(
    ("package", "module"),
    [
        ("twinlens", "numpy"),
        ("twinlens", "importlib.metadata"),
        ("twinlens", "tokenizers"),
        ("twinlens", "twinlens.commands.parsing.parser"),
        ("twinlens", "twinlens.commands.doctor"),
        ("twinlens.__main__", "PIL.Image"),
        ("twinlens_export", "numpy"),
        ("twinlens_export", "twinlens_export.errors"),
        ("twinlens_export", "twinlens.commands.info"),
    ],
)
def test_an_interruption_of_a_run_by_module_is_quiet(
    package: str, module: str, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(STRIKE.format(module=module), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", package, "doctor"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("module", ["numpy", "twinlens.errors", "twinlens.commands.info", "torch"])
def test_an_interruption_of_an_export_is_quiet(module: str) -> None:
    code = "import sys, twinlens_command; sys.exit(twinlens_command.export())"
    done = run(STRIKE.format(module=module) + code, "no-checkpoint", "out")
    if module == "torch" and "run: pip install 'twinlens[cpu,export]'" in done.stderr:
        pytest.skip("needs the export extra")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_module_run_answers_as_the_command_does() -> None:
    lines = ([sys.executable, "-m", "twinlens"], [sys.executable, "-mtwinlens"])
    for line in lines:
        done = subprocess.run([*line, "info", "demo"], capture_output=True, text=True, check=True)
        assert done.stdout == run(f"import sys\n{RUN}", "info", "demo").stdout != ""


def test_an_import_leaves_the_signal_to_the_program_that_imports() -> None:
    code = (
        "import signal, twinlens, twinlens_export\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    )
    assert run(code, "-m", "twinlens").returncode == 0
    done = subprocess.run(
        [sys.executable, "-c", f"import runpy, sys; sys.argv[:] = ['-m']\n{code}"], check=False
    )
    assert done.returncode == 0


def test_a_background_job_goes_on() -> None:
    ours = signal.getsignal(signal.SIGINT)
    code = "import signal, sys\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    done = run(code + STRIKE.format(module="numpy") + RUN, "info", "demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert signal.getsignal(signal.SIGINT) is ours
