"""One run of MLCommons LoadGen: its settings, its system under test, and its summary."""

import importlib
import importlib.util
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from twinlens.benchmarking.errors import LoadGenMissingError

MODULE: Final = "mlperf_loadgen"
SUMMARY: Final = "mlperf_log_summary.txt"
MOST_SAMPLES: Final = 1024
NS: Final = 1e6
"""Nanoseconds of a millisecond."""

LoadGenScenario = Literal["SingleStream", "Offline", "Server"]
Issue = Callable[[list[Any]], None]
"""Takes samples, each with an `index` and an `id` that `completed` gives back."""


def require_loadgen() -> None:
    """Check that LoadGen is installed.

    Raises:
        LoadGenMissingError: it is not.
    """
    if importlib.util.find_spec(MODULE) is None:
        raise LoadGenMissingError(
            "--loadgen needs MLCommons LoadGen; pip install mlcommons-loadgen"
        )


class LoadGen:
    """MLCommons LoadGen in this process."""

    def __init__(self) -> None:
        require_loadgen()
        self._library: Any = importlib.import_module(MODULE)

    def completed(self, samples: list[Any]) -> None:
        """Tell that these samples are answered."""
        made = [self._library.QuerySampleResponse(sample.id, 0, 0) for sample in samples]
        self._library.QuerySamplesComplete(made)

    def run(
        self, scenario: LoadGenScenario, issue: Issue, choices: Mapping[str, float | int]
    ) -> dict[str, str]:
        """Run one scenario; return the fields of its summary.

        Args:
            scenario: name of LoadGen's.
            issue: takes queries, and answers them now or later.
            choices: fields of its TestSettings.
        """
        library = self._library
        test = library.TestSettings()
        test.scenario = getattr(library.TestScenario, scenario)
        test.mode = library.TestMode.PerformanceOnly
        for name, value in choices.items():
            setattr(test, name, value)
        with tempfile.TemporaryDirectory() as folder:
            log = library.LogSettings()
            log.log_output.outdir = folder
            log.log_output.copy_summary_to_stdout = False
            system = library.ConstructSUT(issue, _nothing)
            sampled = library.ConstructQSL(MOST_SAMPLES, MOST_SAMPLES, _ignore, _ignore)
            try:
                library.StartTestWithLogSettings(system, sampled, test, log, "")
            finally:
                library.DestroyQSL(sampled)
                library.DestroySUT(system)
            return read_summary((Path(folder) / SUMMARY).read_text(encoding="utf-8"))


def read_summary(text: str) -> dict[str, str]:
    """Return the fields of a summary, of lines such as "name : value"."""
    return {
        match[1].strip(): match[2].strip()
        for line in text.splitlines()
        if (match := re.fullmatch(r"([^:]+?)\s*:\s*(.+)", line)) is not None
    }


def _nothing() -> None:
    """Flush nothing: every query is at work already."""


def _ignore(_: object) -> None:
    """Load nothing: the samples are in memory."""
