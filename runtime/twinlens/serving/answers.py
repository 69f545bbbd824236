"""Answers of an engine: embeddings with their facts, and its state."""

from collections.abc import Mapping
from dataclasses import dataclass

from twinlens.serving.work import F32, QueueName


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Time that a request spent, in seconds."""

    queue_s: float
    """From its arrival until a worker took its first item."""
    decode_s: float
    """Decoding of its images, summed."""
    tower_s: float
    """Runs in which its items were, summed; several may have been at work at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EmbeddedRequest:
    """Embeddings of one request."""

    rows: F32
    """[B, D], unit rows, in the order of the items."""
    truncated: tuple[int, ...]
    """Places of the texts that were cut to the context."""
    tokens: int
    """Tokens of all texts, start and end included."""
    timings: Timings


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingStats:
    """State of an engine, and requests since its start.

    accepted = answered + failed + expired + cancelled + closed + unfinished.
    """

    waiting: Mapping[QueueName, int]
    """Items that wait, by kind and priority."""
    work_s: float
    """Estimated seconds of work, waiting or at work."""
    bytes_held: int
    workers_alive: int
    restarts: int
    """Workers that ended by an error and were replaced."""
    unfinished: int
    """Requests accepted and not yet ended."""
    accepted: int
    refused: int
    answered: int
    failed: int
    """Requests with an item that cannot be embedded."""
    expired: int
    cancelled: int
    closed: int
    """Requests that waited when the engine was closed."""
    runs: int
    items: int
    """Items of all runs."""
