"""Lines of an export at work: the share that is done, and the time left."""

import io
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from twinlens_export import SampleFiles, export, progress
from twinlens_export.progress import Work, told

pytestmark = pytest.mark.export


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_share_follows_the_steps_and_their_parts() -> None:
    work = Work()
    assert work.line() == "reading the checkpoint"
    work.planned({"a": 60.0, "b": 20.0})
    assert work.line() == "0%, reading the checkpoint"
    with work.during("a"):
        assert list(work.counted([[1], [2, 3]], lambda batch: 10.0 * len(batch))) == [[1], [2, 3]]
        assert work.line().startswith("38%, a, ")
        work.advance(1000.0)  # an estimate that was too low
        assert work.done == 60
    with work.during("b"):
        work.expect(40.0)
        assert (work.done, work.total) == (60, 100)
    assert work.done == work.total
    assert work.line() == "100%, b, 0 s left"


def test_parts_that_round_to_more_than_all_leave_no_time_below_zero() -> None:
    work = Work()
    work.planned({"a": 1.0})
    with work.during("a"):
        work.advance(1.0)
        work.done = 1.0 + 1e-12
        assert work.line() == "100%, a, 0 s left"


def test_the_time_left_is_that_of_the_work_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    work = Work()
    now[0] = 500.0  # reading is no part of the rate
    work.planned({"a": 4.0})
    with work.during("a"):
        work.advance(1.0)
        now[0] += 60
        assert work.line() == "25%, a, 3 min left"
        work.advance(2.0)
        assert work.line() == "75%, a, 20 s left"


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_lines_replace_each_other_in_a_terminal(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    for interval in ("TERMINAL_S", "LINE_S"):
        monkeypatch.setattr(progress, interval, 1e-3)
    work = Work()
    with told(work, shown=False, stream=stream):
        assert not stream.getvalue()
    with told(work, shown=True, stream=stream):
        while stream.getvalue().count("reading the checkpoint") < 2:
            time.sleep(1e-3)
    if stream.isatty():
        assert "\n" not in stream.getvalue()
        assert stream.getvalue().endswith("\r\033[K")
    else:
        assert set(stream.getvalue().splitlines()) == {"twinlens-export: reading the checkpoint"}


def test_an_export_plans_all_that_it_does(
    folders: Callable[[str], Path],
    sample_files: SampleFiles,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[Work] = []
    steps: list[tuple[str, float]] = []
    spent: list[tuple[float, float]] = []
    make, advance = Work.__init__, Work.advance

    def remember(self: Work) -> None:
        make(self)
        seen.append(self)

    def follow(self: Work, cost: float) -> None:
        advance(self, cost)
        steps.append((self.step, self.done))
        spent.append((cost, self.done / self.total))

    monkeypatch.setattr(Work, "__init__", remember)
    monkeypatch.setattr(Work, "advance", follow)
    monkeypatch.setattr(progress, "LINE_S", 0.05)
    export(
        folders("demo"),
        tmp_path / "bundle",
        precisions=["fp32", "int8"],
        samples=sample_files,
        progress=True,
    )
    (work,) = seen
    assert work.done == pytest.approx(work.total)
    assert {step for step, _ in steps} == set(work.plan)
    assert [done for _, done in steps] == sorted(done for _, done in steps)
    assert_honest(spent)
    told_lines = capsys.readouterr().err.splitlines()
    lines = [line for line in told_lines if line.startswith("twinlens-export: ")]
    shares = [int(line.split()[1].rstrip("%,")) for line in lines if "%" in line]
    assert shares
    assert all(0 <= share <= 100 for share in shares)
    assert re.fullmatch(r"twinlens-export: \d+%, the .*, \d+ (s|min) left", lines[-1])


def assert_honest(spent: list[tuple[float, float]]) -> None:
    """Assert that from the first third on the time left is told within a factor of two.

    Args:
        spent: costs, each with the share that was told of when it was over; a clock that runs as
            the costs do. The image tower of random weights fails in int8, which nobody can plan.
    """
    times = np.cumsum([cost for cost, _ in spent])
    told_left = np.array([now / share - now for now, (_, share) in zip(times, spent, strict=True)])
    left, late = times[-1] - times, times > times[-1] / 3
    small = times[-1] / 8
    assert (told_left[late] <= 2 * left[late] + small).all()
    assert (left[late] <= 2 * told_left[late] + small).all()
