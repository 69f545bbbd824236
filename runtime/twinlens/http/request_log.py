"""Log of requests: one line of JSON each, or one short line, written by a thread of its own."""

import json
import logging
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Literal

from twinlens.http.exchange import Exchange

logger = logging.getLogger("twinlens.http.requests")

LogForm = Literal["json", "short", "off"]
FIELDS: Final = "fields"
"""Attribute of a record that holds the fields of its line."""
MOST_WAITING: Final = 10_000
"""Lines that wait for a slow reader; further ones are lost."""
PATIENCE_S: Final = 1.0


def log_request(exchange: Exchange) -> None:
    """Log a request that is answered, or that nobody waits for any more."""
    level = logging.ERROR if exchange.failure is not None else logging.INFO
    if not logger.isEnabledFor(level):
        return
    fields: dict[str, object] = {
        "event": "request",
        "request": exchange.request_id,
        "method": exchange.method,
        "path": exchange.path[:200],
        "status": exchange.status,
        "ms": _ms(exchange.seconds),
        "bytes": exchange.body_bytes,
    }
    if exchange.trace is not None:
        fields["trace"], fields["span"] = exchange.trace
    if exchange.code is not None:
        fields["error"] = exchange.code
    if exchange.texts or exchange.images:
        fields |= {"texts": exchange.texts, "images": exchange.images}
    if exchange.timings is not None:
        timings = exchange.timings
        fields |= {
            "queue_ms": _ms(timings.queue_s),
            "decode_ms": _ms(timings.decode_s),
            "tower_ms": _ms(timings.tower_s),
        }
    if exchange.failure is not None:
        fields["traceback"] = "".join(traceback.format_exception(exchange.failure))
    logger.log(level, "request", extra={FIELDS: fields})


class JsonLines(logging.Formatter):
    """Format of a record: one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        fields = getattr(record, FIELDS, None) or {"event": "message", "text": record.getMessage()}
        if record.exc_info and "traceback" not in fields:
            fields = {**fields, "traceback": self.formatException(record.exc_info)}
        head = {"time": _utc(record.created), "level": record.levelname.lower()}
        return json.dumps(head | fields, default=str)


class ShortLines(logging.Formatter):
    """Format of a record: time, status, milliseconds and path; or its message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        found = getattr(record, FIELDS, None)
        if found is None or found.get("event") != "request":
            text = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                text = f"{text}: {record.exc_info[1]}"
        else:
            text = f"{found['status']} {found['ms']} ms {found['method']} {found['path']}"
            if "error" in found:
                text += f" {found['error']}"
        line = f"{_utc(record.created)} {record.levelname.lower()} {text}"
        return "".join(letter if letter.isprintable() else "?" for letter in line)


class LineWriter(logging.Handler):
    """Handler that hands lines to a thread, and drops those for which its queue has no room.

    Nothing waits for the reader of stderr, which may have stopped reading: no request, no lock of
    `logging`, and the end of the process a second at most. A signal handler may log as well: the
    queue is one that may be interrupted while a line is put into it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="twinlens-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on the line of a record."""
        if self._has_room():
            self._lines.put(self.format(record))

    def end(self) -> None:
        """Write what waits, for a second at most."""
        if self._has_room():
            self._lines.put(None)
            self._thread.join(PATIENCE_S)

    def _has_room(self) -> bool:
        return self._lines.qsize() < MOST_WAITING

    def _write(self) -> None:
        try:
            number = sys.stderr.fileno()
        except OSError:  # one that is no file
            number = None
        while (line := self._lines.get()) is not None:
            with suppress(OSError, ValueError):  # nobody reads it any more
                if number is None:
                    sys.stderr.write(f"{line}\n")
                    continue
                content = f"{line}\n".encode("utf-8", "backslashreplace")
                while content:
                    content = content[os.write(number, content) :]


@contextmanager
def logging_to_stderr(form: LogForm) -> Iterator[None]:
    """Write the records of the service to stderr until the context ends.

    "off" keeps warnings and errors.
    """
    writer = LineWriter()
    writer.setFormatter(JsonLines() if form == "json" else ShortLines())
    root, ours, server = (logging.getLogger(name) for name in (None, "twinlens.http", "uvicorn"))
    before = root.handlers[:], ours.level, server.level
    root.handlers = [writer]
    ours.setLevel(logging.WARNING if form == "off" else logging.INFO)
    server.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.handlers = before[0]
        ours.setLevel(before[1])
        server.setLevel(before[2])
        writer.end()


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)


def _utc(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"
