"""Every block of code of the pages runs, and prints what the page says."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pytest
from tiny_checkpoints import save_tiny_checkpoint

import twinlens

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "pages").rglob("*.md"))
# Its blocks are of other programs; tests/portability runs them there.
ELSEWHERE = ROOT / "docs" / "pages" / "models" / "portability.md"
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUNNABLE = ("python", "bash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of code with the output that the page shows under it, if it shows one."""

    language: str
    code: str
    output: str | None


def blocks_of(page: str) -> Iterator[Block]:
    """Yield the blocks of a page; a `text` block right under another is its output."""
    found = list(BLOCK.finditer(page))
    for block, after in zip_longest(found, found[1:]):
        shown = after and after[1] == "text" and not page[block.end() : after.start()].strip()
        if block[1] != "text":
            yield Block(language=block[1], code=block[2], output=after[2] if shown else None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_begins_with_what_its_reader_can_do(page: Path) -> None:
    title, first, *_ = page.read_text(encoding="utf-8").split("\n\n")
    assert title.startswith("# ")
    assert re.match(r"[A-Z][a-z]* [^|`]", first), f"{page.name} begins with no sentence"


class Reader:
    """Somebody who types a page's blocks one after another, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, object] = {"__name__": "__main__"}
        self._groups: list[int] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])

    def types(self, block: Block, printed: pytest.CaptureFixture[str]) -> str:
        """Run a block, and return its output."""
        code = re.sub(r"\b800[01]\b", self._port, block.code)
        if block.language == "bash":
            return self._shell(code).replace(self._port, "8000")
        printed.readouterr()
        exec(compile(code, "<page>", "exec"), self._names)
        return printed.readouterr().out

    def _shell(self, code: str) -> str:
        lines = [line for line in code.splitlines() if not is_installation(line)]
        output = self._folder / ".output"
        with output.open("wb") as file:
            run = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
                start_new_session=True,
            )
            self._groups.append(run.pid)
            code_of_exit = run.wait(120)
        text = output.read_text("utf-8")
        assert code_of_exit == 0, text
        return text

    def leaves(self) -> None:
        """End the servers that a page has left running."""
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGTERM)


def is_installation(line: str) -> bool:
    """Tell lines of pip, and check that the extras they name are there."""
    if not line.startswith("pip install"):
        return False
    wanted = re.search(r"twinlens\[([\w,]+)\]", line)
    assert wanted is None or set(wanted[1].split(",")) <= EXTRAS.keys(), line
    return True


def is_like(shown: str, printed: str) -> bool:
    """Compare an output with the one shown: `...` stands for anything, space for any space."""
    words = (re.split(r"\s+", part) for part in shown.strip().split("..."))
    pattern = ".*?".join(r"\s+".join(map(re.escape, part)) for part in words)
    # A line of `...` at the top may be none: a quick export writes no line of progress.
    top = "\n" if shown.startswith("...") else ""
    return re.fullmatch(pattern, f"{top}{printed.strip()}", re.DOTALL) is not None


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the examples begin in, as docs/pages/index.md tells it."""
    demo = Path(twinlens.__file__).parent / "demo"
    shutil.copytree(demo / "drawings", tmp_path / "photos")
    shutil.copy(demo / "captions.csv", tmp_path / "photos" / "captions.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page != ELSEWHERE], ids=lambda page: page.stem
)
def test_the_blocks_of_a_page_run(
    page: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page.read_text("utf-8")
    if "my-checkpoint" in text:
        save_tiny_checkpoint("clip", folder / "my-checkpoint")
    reader = Reader(folder)
    try:
        for block in blocks_of(text):
            assert block.language in RUNNABLE, "every block is run, or is the output of one"
            printed = reader.types(block, capsys)
            if block.output is not None:
                assert is_like(block.output, printed), f"{block.code}\nprints\n{printed}"
    finally:
        reader.leaves()
