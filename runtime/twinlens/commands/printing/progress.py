"""Progress of a command: a bar in a terminal, and a line a minute where there is none."""

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Final, Self, TextIO, TypeVar

from twinlens.progress import Tally

T = TypeVar("T")

INTERVAL_S: Final = 60.0
WITH_BAR: Final = frozenset({"bench", "browse", "demo", "embed", "index", "evaluate"})
"""Commands that draw a bar; the others write lines in a terminal too."""
SILENT: Final = frozenset({"serve"})
"""Commands with a log of their own."""


class Progress:
    """Lines on stderr while a command is at work, and the count of items that it has drawn."""

    def __init__(self, command: str, stream: TextIO, *, interval_s: float = INTERVAL_S) -> None:
        self.bar = command in WITH_BAR and stream.isatty()
        """True if a bar is shown in place of lines."""
        self._command, self._stream, self._interval_s = command, stream, interval_s
        self._tally, self._noun = Tally(), ""
        self._start = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Self:
        if not self.bar and self._command not in SILENT:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Write no more lines: the long part of the work is over."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def counted(self, items: Iterable[T], noun: str) -> Iterator[T]:
        """Yield the items and count them, for the lines."""
        self._noun = noun
        for item in items:
            self._tally.drawn += 1
            yield item

    def follow(self, tally: Tally, noun: str) -> None:
        """Tell the counts of a job, which it keeps itself."""
        self._tally, self._noun = tally, noun

    def _tell(self) -> None:
        while not self._over.wait(self._interval_s):
            # A reader that has gone away must not end the work.
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(f"{self._line()}\n")
                self._stream.flush()

    def _line(self) -> str:
        seconds = time.monotonic() - self._start
        return f"twinlens {self._command}: {round(seconds / 60)} min{self._count(seconds)}"

    def _count(self, seconds: float) -> str:
        tally = self._tally
        if not self._noun:
            return ""
        total = "" if tally.total is None else f" of {tally.total:,}"
        worked = tally.embedded + tally.lost
        rate = f", {worked / seconds:,.3g} a second" if worked else ""
        lost = f", {tally.lost:,} lost" if tally.lost else ""
        return f", {tally.drawn:,}{total} {self._noun}{rate}{lost}"
