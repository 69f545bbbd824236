"""`twinlens bench`: real runs of the demo, a real service, interruptions and comparisons."""

import json
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from half_demo import half_demo
from http_servers import ServerProcess
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imitated_cuda import imitate_gpu

from twinlens.__main__ import main
from twinlens.benchmarking import run as running
from twinlens.benchmarking.comparison.verdict import compared, verdict_on
from twinlens.benchmarking.inputs import read_items
from twinlens.benchmarking.machine import gpu
from twinlens.benchmarking.measures.bootstrap import Ratio
from twinlens.benchmarking.options import SCENARIOS, Settings
from twinlens.benchmarking.record import Record, json_text, read_record
from twinlens.benchmarking.reports.page import page
from twinlens.benchmarking.scenarios.pace import NAME as PACE
from twinlens.benchmarking.targets.model_target import ModelTarget, Opening

TINY = ["--seconds", "1", "--threads", "2", "--device", "cpu"]


class Tags(HTMLParser):
    """Tags of a page, and every attribute that names another file."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.places: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.places += [value for name, value in attrs if name in ("src", "href", "onload")]


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Few rows, small batches and short rests; no query is left out for the time it takes."""
    few = partial(Settings, search_rows=2000, batches=(1, 4), bulk_images=4)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("twinlens.commands.bench.Settings", few)
        patched.setattr("twinlens.benchmarking.scenarios.cold.GAP_S", 0.001)
        patched.setattr("twinlens.benchmarking.scenarios.steady.MOST_SHARE", 1e9)
        patched.setattr("twinlens.benchmarking.comparison.paired.LIVES", 3)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the files of one run of every scenario."""
    folder = tmp_path_factory.mktemp("bench")
    line = [
        "bench",
        "demo",
        *TINY,
        "--out",
        str(folder / "a.json"),
        "--html",
        str(folder / "a.html"),
    ]
    assert main(line) == 0
    return folder


@pytest.fixture(scope="module")
def record(made: Path) -> Record:
    return read_record(made / "a.json")


def test_a_run_measures_every_scenario_with_its_circumstances(record: Record) -> None:
    assert {result.scenario for result in record.results} == {*SCENARIOS}
    assert not record.partial
    target, machine = record.target, record.machine
    assert (target.name, target.precision, target.threads, target.device) == (
        "demo",
        "int8",
        2,
        "cpu",
    )
    assert target.sha256 is not None
    assert len(target.sha256) == 64
    assert machine.usable_threads >= 1
    assert record.versions["twinlens"]
    assert record.memory is not None
    for result in record.results:
        if result.series is None or result.name == PACE:
            continue
        assert result.quantiles is not None
        assert result.quantiles.p50 in result.series.wall_ms or result.scenario in (
            "server",
            "mixed",
        )
        if result.query == "search":
            assert result.worst_cosine == 1.0, "every hit is a true one"
        else:
            assert result.worst_cosine is not None
            assert 0.999 < result.worst_cosine < 1


def test_a_record_is_read_as_it_was_written(record: Record, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json_text(record), encoding="utf-8")
    assert read_record(tmp_path / "b.json") == record


def test_the_page_stands_alone(made: Path, record: Record) -> None:
    text = (made / "a.html").read_text(encoding="utf-8")
    tags = Tags(text)
    assert tags.names.count("svg") >= 4
    assert "script" not in tags.names
    assert tags.places == []
    assert not re.search(r"url\(|@import|http", text.replace("http-equiv", ""))
    hostile = replace(record, target=replace(record.target, name="<script>alert(1)</script>"))
    assert "script" not in Tags(page(hostile)).names
    assert "interrupted" in page(replace(record, partial=True))


@pytest.mark.parametrize("act", ["server", "text in a block", "opening"])
def test_ctrl_c_keeps_what_is_known(
    act: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strike(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGINT)

    places = {
        "server": "twinlens.benchmarking.scenarios.server.poisson",
        "text in a block": "twinlens.benchmarking.scenarios.pace.probe",
        "opening": "twinlens.benchmarking.targets.model_target.load",
    }
    monkeypatch.setattr(places[act], strike)
    out = tmp_path / "a.json"
    line = ["bench", "demo", *TINY, "--scenarios", "single", "server", "--out", str(out)]
    assert main(line) == 130
    if act == "opening":
        assert not out.exists(), "nothing was known"
        return
    found = read_record(out)
    assert found.partial
    named = [result.name for result in found.results if result.quantiles is not None]
    assert named == (["one image", "one text", "one long text", PACE] if act == "server" else [])


def changed(record: Record, factor: float, **changes: Any) -> Record:  # noqa: ANN401  fields of a Record
    """Return a record whose times are longer by a factor, of a machine that nothing disturbed."""
    results = []
    for result in record.results:
        series = result.series
        if series is not None and result.name != PACE:
            # Ten blocks of one time each: no noise but what the comparison itself allows for.
            times = tuple([factor] * 10)
            series = replace(series, wall_ms=times, cpu_ms=times, block_ends=tuple(range(1, 11)))
        elif series is not None:
            times = tuple([1.0] * 10)
            series = replace(series, wall_ms=times, cpu_ms=times, block_ends=tuple(range(1, 11)))
        results.append(replace(result, series=series))
    quiet = replace(record.neighbours, others=0.0, steal=0.0)
    return replace(record, results=tuple(results), neighbours=quiet, **changes)


def run_compare(folder: Path, first: Record, second: Record, *more: str) -> int:
    for name, one in (("a.json", first), ("b.json", second)):
        (folder / name).write_text(json_text(one), encoding="utf-8")
    return main(["bench", "--compare", str(folder / "a.json"), str(folder / "b.json"), *more])


@pytest.mark.parametrize(
    ("factor", "more", "code"),
    [
        (1.0, [], 0),
        (1.1, [], 1),
        (1.1, ["--slower-than", "12%"], 0),
        (1.4, ["--slower-than", "12%"], 1),
        (0.5, [], 0),
    ],
)
def test_a_slower_run_is_told_by_the_exit_code(
    factor: float, more: list[str], code: int, record: Record, tmp_path: Path
) -> None:
    assert run_compare(tmp_path, changed(record, 1.0), changed(record, factor), *more) == code


def test_a_busy_machine_makes_a_comparison_unsure(
    record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = changed(record, 1.15)
    waiting = [
        replace(r, series=replace(r.series, wall_ms=tuple([2.0] * 10)))
        if r.name == PACE and r.series is not None
        else r
        for r in busy.results
    ]
    assert (
        run_compare(tmp_path, changed(record, 1.0), replace(busy, results=tuple(waiting)), "--json")
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert {row["verdict"] for row in found["rows"]} == {"unsure"}
    assert any("--against-python" in note for note in found["notes"])


@pytest.mark.parametrize("part", ["processor", "threads", "batches", "precision", "sha256"])
def test_runs_that_were_not_made_alike_are_refused(
    part: str, record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = changed(record, 1.0)
    others = {
        "processor": {"machine": replace(record.machine, processor="another")},
        "threads": {"target": replace(record.target, threads=7)},
        "batches": {"settings": replace(record.settings, batches=(3,))},
        "precision": {"target": replace(record.target, precision="fp16")},
        "sha256": {"inputs": replace(record.inputs, sha256="0" * 64)},
    }
    second = changed(record, 1.2, **others[part])
    assert run_compare(tmp_path, first, second) == 1
    words = capsys.readouterr().err
    assert ("inputs" if part == "sha256" else part) in words
    assert words.count("\n") == 1
    assert run_compare(tmp_path, first, second, "--force") == 1
    assert "differs: " in capsys.readouterr().out


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_a_damaged_record_is_an_error_of_one_line(made: Path, data: st.DataObject) -> None:
    text = (made / "a.json").read_text(encoding="utf-8")
    if data.draw(st.booleans()):
        broken = text[: data.draw(st.integers(0, len(text) - 3))]
    else:
        fields = json.loads(text)
        name = data.draw(st.sampled_from(sorted(fields)))
        fields[name] = data.draw(st.sampled_from([10**400, [[1]], {"a": [1]}]))
        broken = json.dumps(fields)
    place = made / "broken.json"
    place.write_text(broken, encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(str(place))):
        read_record(place)


PLANT = """
import importlib.abc, importlib.util, sys, time

class Hands:
    # Clocks that move by the runs of a session alone.
    seconds = 0.0

time.perf_counter = time.process_time = lambda: Hands.seconds

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "twinlens.ort.session":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            run = module.Session.run

            def counted(self, *given, **named):
                Hands.seconds += STEP
                return run(self, *given, **named)

            module.Session.run = counted

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder())
"""


@contextmanager
def build(folder: Path, name: str, step_s: float) -> Iterator[Path]:
    """Interpreter of a twinlens, each of whose runs takes so long by its clocks."""
    place = folder / name
    place.mkdir()
    (place / "sitecustomize.py").write_text(f"STEP = {step_s}\n{PLANT}", encoding="utf-8")
    program = place / "python"
    words = f'PYTHONPATH="{place}:$PYTHONPATH" exec "{sys.executable}" "$@"'
    program.write_text(f"#!/bin/sh\n{words}\n", encoding="utf-8")
    program.chmod(0o755)
    yield program


@pytest.mark.skipif(sys.platform == "win32", reason="the interpreters are scripts of a shell")
@pytest.mark.parametrize(("step_s", "code"), [(0.01, 0), (0.011, 1)])
def test_builds_in_turn_are_told_apart(
    step_s: float,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with build(tmp_path, "first", 0.01) as first, build(tmp_path, "second", step_s) as second:
        monkeypatch.setattr(sys, "executable", str(first))
        line = [
            "bench",
            "demo",
            "--against-python",
            str(second),
            "--seconds",
            "0.1",
            "--threads",
            "1",
        ]
        assert main([*line, "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert found["is_slower"] == bool(code)
    assert found["worst_cosine"] == 1.0
    for row in found["rows"]:
        assert row["cpu"]["value"] == pytest.approx(step_s / 0.01)
        assert row["blocks"] >= 8


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.051, 1.2, "slower"),
        (1.049, 1.2, "unsure"),
        (0.96, 1.049, "equal"),
        (0.8, 0.95, "faster"),
        (0.8, 1.2, "unsure"),
    ],
)
def test_a_verdict_is_that_of_the_whole_interval(low: float, high: float, verdict: str) -> None:
    ratio = Ratio(value=1.0, low=low, high=high)
    vague = Ratio(value=1.0, low=0.1, high=10.0)
    assert verdict_on(ratio, 0.05) == verdict
    assert compared("a", wall=vague, cpu=ratio, share=0.05, blocks=9).verdict == verdict
    assert compared("a", wall=ratio, cpu=None, share=0.05, blocks=9).verdict == verdict


def test_an_interpreter_without_twinlens_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "python"
    empty.write_text("#!/bin/sh\necho no twinlens here >&2\nexit 3\n", encoding="utf-8")
    empty.chmod(0o755)
    for program, words in ((empty, "no twinlens here"), (tmp_path / "none", "cannot be run")):
        assert main(["bench", "demo", "--against-python", str(program)]) == 1
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1


def test_a_service_is_measured_and_its_rows_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys, out = tmp_path / "keys", tmp_path / "a.json"
    keys.write_text("a-key-of-sixteen-signs\n", encoding="ascii")
    many = partial(Settings, batches=(1, 4, 64))
    monkeypatch.setattr("twinlens.commands.bench.Settings", many)
    with ServerProcess("demo", "--port", "0", "--api-key-file", str(keys)) as server:
        line = ["bench", "demo", "--url", server.url, "--seconds", "1", "--out", str(out)]
        assert main(line) == 1, "without the key"
        assert "401" in capsys.readouterr().err
        assert main([*line, "--api-key-file", str(keys)]) == 0
    record = read_record(out)
    assert record.target.kind == "service"
    assert record.target.precision == "int8"
    assert {name: found.worst for name, found in record.accuracy.items()} == {
        "text": 1.0,
        "image": 1.0,
    }
    figures = {result.name: result for result in record.results}
    for name in (
        "one image",
        "one text",
        "4 texts",
        "4 images",
        "mixed, bulk images beside texts",
    ):
        assert figures[name].quantiles is not None, name
    assert figures["one text"].cpu_ms_per_item is None, "another process computes"
    assert "422" in str(figures["64 images"].reason), "more than a request may have"
    assert figures["server, texts by chance"].rates
    assert main([*line, "--force"]) == 1, "it is gone"
    assert "is it up?" in capsys.readouterr().err


def test_on_cuda_the_copy_stands_beside_the_compute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\necho "NVIDIA T, 1.0, 1980, 1980, 2619, 99.1, 40, 7, 0x0"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    imitate_gpu(monkeypatch)
    chosen = Settings(scenarios=("offline",), seconds=0.2, batches=(2,))
    items = read_items([], None)
    found = running.run(
        lambda: ModelTarget(Opening(bundle=str(half_demo()), device="cuda"), items, chosen),
        chosen,
        tell=lambda _: None,
    )
    assert found.target.device == "cuda:0"
    assert found.gpu_before is not None
    assert (found.gpu_before.name, found.gpu_before.sm_mhz) == ("NVIDIA T", "1980")
    copies = [result for result in found.results if result.query == "copy"]
    assert [result.items for result in copies] == [64]
    assert "NVIDIA T" in page(found)
    assert gpu.read_gpu("NVIDIA T, 1.0") is None


def test_texts_and_images_of_the_user_are_asked_with(tmp_path: Path, made: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("a dog\na cat\na dog\n", encoding="utf-8")
    drawings = "runtime/twinlens/demo/drawings"
    root = Path(__file__).parents[3]
    out = tmp_path / "a.json"
    line = ["bench", "demo", *TINY, "--scenarios", "offline", "--out", str(out)]
    assert main([*line, "--images", str(root / drawings), "--texts", str(texts)]) == 0
    record = read_record(out)
    assert (record.inputs.texts, record.inputs.images) == (2, 60)
    assert record.inputs.sha256 != read_record(made / "a.json").inputs.sha256
    reasons = {result.name: result.reason for result in record.results if not result.series}
    assert reasons["4 texts"] is not None
    assert "2 distinct texts" in reasons["4 texts"], "equal texts are embedded once"
