"""Log of requests: one line of JSON each, or one short line, written by a thread of its own."""

import json
import logging
import logging.handlers
import queue
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from twinlens.http.exchange import Exchange

logger = logging.getLogger("twinlens.http.requests")

LogForm = Literal["json", "short", "off"]
FIELDS: Final = "fields"
"""Attribute of a record that holds the fields of its line."""
MOST_WAITING: Final = 10_000
"""Lines that wait for a slow reader; further ones are lost, and no request waits for the log."""


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


class _Full(logging.handlers.QueueHandler):
    """Handler that drops a line where the queue is full."""

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)  # type: ignore[union-attr]
        except queue.Full:
            return

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record  # formatted by the listener, in this process


@contextmanager
def logging_to_stderr(form: LogForm) -> Iterator[None]:
    """Write the records of the service to stderr, by a thread, until the context ends.

    "off" keeps warnings and errors.
    """
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(MOST_WAITING)
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(JsonLines() if form == "json" else ShortLines())
    listener = logging.handlers.QueueListener(waiting, lines)
    root, ours, server = (logging.getLogger(name) for name in (None, "twinlens.http", "uvicorn"))
    before = root.handlers[:], ours.level, server.level
    root.handlers = [_Full(waiting)]
    ours.setLevel(logging.WARNING if form == "off" else logging.INFO)
    server.setLevel(logging.ERROR)
    listener.start()
    try:
        yield
    finally:
        root.handlers = before[0]
        ours.setLevel(before[1])
        server.setLevel(before[2])
        listener.stop()


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)


def _utc(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"
