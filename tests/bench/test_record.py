"""Our own record: README and RECORD.md are as the command writes them, and ages are told."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.harness.results_file import place_of
from bench.record.ages import Ages
from bench.record.figure import Figure
from bench.record.gather import found, gathered, measured_by, read_ledger, write_ledger
from bench.record.pages import README, RECORD, readme_page, record_page
from bench.record.tables import Figures


def test_the_readme_is_as_the_command_writes_it() -> None:
    figures = Figures(read_ledger())
    page = README.read_text(encoding="utf-8")
    assert readme_page(page, figures) == page, "python -m bench.record writes it"
    assert record_page(figures) == RECORD.read_text(encoding="utf-8")
    for name in ("towers", "search", "pixels", "services"):
        assert figures.machines(name)


def test_the_ledger_has_the_figures_of_every_file_of_results() -> None:
    known = {figure.key: figure for figure in read_ledger()}
    missing = [one.key for one in found() if known[one.key].value != one.value]
    assert not missing, "python -m bench.record gathers them"
    assert all(figure.commit and figure.date for figure in known.values())


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a file of results of the searches, and the code that they measure."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    (tmp_path / "kernels/src/search").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "user.email", "a@b")
    git(tmp_path, "config", "user.name", "a")
    commit(tmp_path, "kernels/src/search/scan.hpp", "one")
    return tmp_path


def git(root: Path, *words: str, date: str = "") -> str:
    dates = {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date} if date else {}
    done = subprocess.run(
        ["git", "-C", str(root), *words],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | dates,
    )
    return done.stdout.strip()


def commit(root: Path, file: str, text: str) -> str:
    (root / file).write_text(text, encoding="utf-8")
    git(root, "add", "-A")
    # Git's times are whole seconds, and these commits would share one.
    count = git(root, "rev-list", "--all", "--count")
    day = f"2026-01-01T00:00:{int(count):02}Z"
    git(root, "commit", "-q", "-m", text, date=day)
    return git(root, "rev-parse", "--short", "HEAD")


def results(root: Path, commits: list[str], *, processor: str, ms: float) -> None:
    line = {
        "n": 10**6, "width": 512, "threads": 1, "kind": "text", "n_queries": 1, "k": 10,
        "peer": "faiss, best setting", "ms": 100.0, "twinlens_ms": ms,
    }  # fmt: skip
    document = {"commits": commits, "processor": processor, "results": [line]}
    commit(root, "search.json", json.dumps(document))


def test_a_figure_older_than_its_code_is_marked(repository: Path) -> None:
    first = commit(repository, "docs/a.md", "two")
    second = commit(repository, "docs/a.md", "three")
    results(repository, [second, first, "0000000"], processor="AMD EPYC", ms=5)

    def figures() -> list[Figure]:
        return gathered(read_ledger(repository / "record.json"), Ages(repository), repository)

    assert {(one.commit, one.since) for one in figures()} == {(first, 0)}
    assert all(len(one.date) == len("2026-11-29") for one in figures())
    commit(repository, "docs/a.md", "another folder")
    assert {one.since for one in figures()} == {0}
    commit(repository, "kernels/src/search/scan.hpp", "faster")
    commit(repository, "kernels/src/search/README.md", "words")
    found_now = figures()
    assert {one.since for one in found_now} == {1}
    assert "† 1 commits since" in record_page(Figures(found_now))
    assert measured_by(found_now[0])[0] == "kernels/src/search"


def test_a_run_on_another_machine_takes_no_figure_away(repository: Path) -> None:
    ledger = repository / "record.json"
    at = git(repository, "rev-parse", "--short", "HEAD")
    for processor, ms in (("Intel(R) Xeon(R) Processor", 35.0), ("AMD EPYC", 14.0)):
        results(repository, [at], processor=processor, ms=ms)
        write_ledger(gathered(read_ledger(ledger), Ages(repository), repository), ledger)
    figures = Figures(read_ledger(ledger))
    machines = figures.machines("search")
    assert [machine.partition(",")[0] for machine in machines] == ["Xeon", "EPYC"]
    assert [figures.value("search", "twinlens", "1", machine) for machine in machines] == [35, 14]


def test_without_git_figures_stay_and_nothing_is_called_old(tmp_path: Path) -> None:
    results_alone = tmp_path / "search.json"
    results_alone.write_text('{"processor": "AMD EPYC", "results": []}', encoding="utf-8")
    kept = Figure(
        table="search", row="a", column="1", machine="m", value=1.0, source="search.json", commit=""
    )
    assert gathered([kept], Ages(tmp_path / "none"), tmp_path) == [kept]


def test_a_machine_has_a_file_of_its_own_beside_another(tmp_path: Path) -> None:
    assert place_of("towers", "AMD EPYC", tmp_path).name == "towers.json"
    (tmp_path / "towers.json").write_text('{"processor": "Intel(R) Xeon(R) Processor"}')
    assert place_of("towers", "Intel(R) Xeon(R) Processor", tmp_path).name == "towers.json"
    assert place_of("towers", "AMD EPYC", tmp_path).name == "towers-amd-epyc.json"
    (tmp_path / "towers-amd-epyc.json").write_text('{"processor": "AMD EPYC", "results": []}')
    assert [*found(tmp_path)] == []
