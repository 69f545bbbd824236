"""Contract of a target: a model in this process, or a service by HTTP."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from twinlens.benchmarking.record import Accuracy, Inputs, Result, Target
from twinlens.benchmarking.scenarios.loads import Asker
from twinlens.benchmarking.scenarios.probe import Probe


class Tested(Protocol):
    """Target that a run measures."""

    @property
    def facts(self) -> Target:
        """Its name, its hashes and its choices."""

    def inputs(self) -> Inputs:
        """Return facts of the images and texts that it is asked with."""

    def accuracy(self) -> Mapping[str, Accuracy]:
        """Return cosines with a reference, by "image" and "text"; empty where there is none."""

    def probes(self) -> Sequence[Probe]:
        """Return the queries of the steady scenarios."""

    def left_out(self) -> Sequence[Result]:
        """Return results without figures, of scenarios that this target does not have."""

    def asker(self) -> AbstractAsyncContextManager[Asker]:
        """Open the way for many queries at once."""

    def cold(self, seconds: float) -> Sequence[Result]:
        """Start it anew in fresh processes, and ask for the first rows."""

    def close(self) -> None:
        """Close its model or connections."""
