"""Lines for a terminal: they fit, they move no cursor, and they come once a minute elsewhere."""

import contextlib
import io
import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from half_demo import half_demo

from twinlens.__main__ import main
from twinlens.commands.printing.progress import Progress
from twinlens.commands.printing.table import Table
from twinlens.commands.printing.text import one_line, printable

LONG = "x" * 100_000


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("plain words, caf\xe9 ±", "plain words, caf\xe9 ±"),
        ("two\nlines\r\n", r"two\nlines"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("photos/\udcff.png\u2028", r"photos/\udcff.png"),
        ("don't cut a word's " + "end " * 40 + "isn't it", None),
        ("/a" * 100, None),
    ],
)
def test_a_message_is_one_line(message: str, line: str | None) -> None:
    assert one_line(message) == (message if line is None else line)


@pytest.mark.parametrize(
    "message",
    [
        f"label {LONG!r} is there twice; give it once",
        f'it is "{LONG}", not a number; give it once',
        f"no such file: {LONG}; give it once",
        f"label {'many words ' * 9000!r} is there twice; give it once",
        f"label {chr(27) * 9000!r} is there twice; give it once",
        "words " * 9000 + "; give it once",
    ],
)
def test_a_quotation_is_cut_and_the_cure_stays(message: str) -> None:
    line = one_line(message)
    assert len(line) <= 2000
    assert line.endswith("give it once")
    for quotation in re.findall(r"'([^']*)'|\"([^\"]*)\"", line):
        assert max(map(len, quotation)) <= 80


def test_letters_that_print_stay() -> None:
    assert printable("caf\xe9 🍕 ±") == "caf\xe9 🍕 ±"
    assert printable("a\tb\x00") == r"a\tb\x00"


HOSTILE = "\x1b]0;owned\x07\n" + "y" * 5000


@pytest.mark.parametrize(
    "arguments",
    [
        ["info", HOSTILE],
        ["demo", "--device", HOSTILE],
        ["demo", "--pixels", HOSTILE],
        ["demo", HOSTILE],
        [HOSTILE],
        ["demo", f"--{HOSTILE}"],
        ["demo", "--threads", HOSTILE],
        ["search", "demo", "x", "y", "-k", HOSTILE],
        ["match", "demo", "x", "--prior", HOSTILE],
        ["classify", "demo", HOSTILE, "--labels", "a"],
        ["classify", "demo", "x", "--labels", HOSTILE, HOSTILE],
        ["classify", "demo", "x", "--labels", "a", "--template", HOSTILE],
        ["match", "demo", HOSTILE],
        ["embed", "demo", HOSTILE, "--texts", "--out", "x.npz"],
        ["demo", "--out", f"{HOSTILE}/x.png"],
    ],
)
def test_no_argument_reaches_the_terminal_raw_or_whole(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with contextlib.suppress(SystemExit):
        assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith("twinlens")
    assert "\x1b" not in said
    assert "\x07" not in said
    assert "y" * 100 not in said


def test_a_warning_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a long path would be cut in the message
    hostile = tmp_path / "\x1b[31m\n.png"
    hostile.write_bytes(b"no image")
    assert main(["classify", "demo", ".", "--labels", "a,b", "--device", "cpu"]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert r"\x1b[31m\n.png is no image" in printed.err
    logging.getLogger("a library").warning("%s", "two\nlines")
    assert capsys.readouterr().err == "WARNING: two\\nlines\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "memory is short (no more is given); give less at a time"),
        (KeyError("x"), "KeyError: 'x'; this was not foreseen: TWINLENS_TRACEBACK=1 shows"),
        (RuntimeError("two\nlines"), r"RuntimeError: two\nlines"),
        (EOFError(), "EOFError: "),
        (OSError(28, "No space left on device", "a.npz"), "a.npz: No space left on device"),
    ],
)
def test_a_foreign_error_is_one_line(
    error: Exception,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(options: object) -> None:
        raise error

    monkeypatch.setattr("twinlens.commands.doctor.run", fail)
    assert main(["doctor"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith(f"twinlens doctor: {said}")
    assert printed.count("\n") == 1
    monkeypatch.setenv("TWINLENS_TRACEBACK", "1")
    with pytest.raises(type(error)):
        main(["doctor"])


TABLE = Table(head=("name", "first", "second", "third"), labels=1)
TABLE.rows.extend([("a", "1.000000", "2.0", "3"), ("long name", "1", "2", "3")])


def test_a_table_that_fits_is_one() -> None:
    assert TABLE.lines(columns=80) == TABLE.lines(columns=34) == TABLE.lines()
    assert TABLE.lines() == [
        "name          first  second  third",
        "a          1.000000     2.0      3",
        "long name         1       2      3",
    ]


@pytest.mark.parametrize("columns", [1, 12, 20, 25, 33])
def test_a_table_goes_on_below_where_it_is_too_wide(columns: int) -> None:
    lines = TABLE.lines(columns=columns)
    widest = len("long name  1.000000")
    assert max(map(len, lines)) <= max(columns, widest)
    parts = "\n".join(lines).split("\n\n")
    assert all(part.splitlines()[2].startswith("long name") for part in parts)
    heads = [word for part in parts for word in part.splitlines()[0].split()[1:]]
    assert heads == ["first", "second", "third"]


def test_only_a_terminal_has_an_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["info", os.fspath(half_demo())]) == 0
    piped = capsys.readouterr().out
    head = next(line for line in piped.splitlines() if line.startswith("precision"))
    assert len(head) > 60
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert main(["info", os.fspath(half_demo())]) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if "calibration" not in line]
    rows = [line for line in table if line.startswith(("precision", "int8", "fp16"))]
    assert max(map(len, rows)) <= 60
    assert sorted(" ".join(line.split()[2:]) for line in rows if line.startswith("precision"))


class Lines(io.StringIO):
    """Stream without a terminal that tells when something is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def flush(self) -> None:
        super().flush()
        if self.getvalue():
            self.written.set()


def test_a_line_comes_now_and_then_where_there_is_no_terminal() -> None:
    stream = Lines()
    with Progress("index", stream, interval_s=1e-3) as progress:
        assert list(progress.counted("abc", "images")) == ["a", "b", "c"]
        stream.written.clear()
        assert stream.written.wait(30)
    assert stream.getvalue().splitlines()[-1] == "twinlens index: 0 min, 3 images"
    assert not progress.bar


def test_a_terminal_has_a_bar_and_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Lines()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    before = threading.active_count()
    with Progress("index", stream, interval_s=1e-3) as progress:
        assert threading.active_count() == before
    assert progress.bar
    assert stream.getvalue() == ""
    with Progress("match", stream, interval_s=1e-3) as progress:
        assert stream.written.wait(30), "a command without a bar has lines"
    assert not progress.bar


def test_a_reader_that_has_gone_does_not_end_the_work() -> None:
    readable, writable = os.pipe()
    os.close(readable)
    stream = os.fdopen(writable, "w", buffering=1)
    with Progress("index", stream, interval_s=1e-3) as progress:
        thread = progress._thread
        assert list(progress.counted(range(3), "images")) == [0, 1, 2]
    assert not thread.is_alive()
    with contextlib.suppress(BrokenPipeError):
        stream.close()


def test_an_installation_that_cannot_be_imported_is_one_line() -> None:
    code = "import sys, twinlens_command; sys.exit(twinlens_command.main())"
    environment = {**os.environ, "TWINLENS_PURE": "maybe"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "twinlens: TWINLENS_PURE is 'maybe', wanted 1 or 0\n"
