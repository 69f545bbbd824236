"""Work of the engine: items, requests that they belong to, and runs of a tower."""

import asyncio
from contextvars import Context
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinlens.ort.cancellation import Cancellation
from twinlens.serving.item_errors import at_place

F32 = NDArray[np.float32]
Kind = Literal["text", "image"]
Priority = Literal["interactive", "bulk"]

KINDS: Final[tuple[Kind, ...]] = ("text", "image")
PRIORITIES: Final[tuple[Priority, ...]] = ("interactive", "bulk")


class QueueName(NamedTuple):
    """Kind and priority of the items in one queue."""

    kind: Kind
    priority: Priority


QUEUES: Final = tuple(QueueName(kind, priority) for priority in PRIORITIES for kind in KINDS)
"""The interactive ones first: of two queues whose turn it is, the earlier is served."""


class Base64Image(NamedTuple):
    """An image in base64, or in a data URI, which a worker decodes: 4 MB take it 10 ms."""

    text: str


class ImageHeader(NamedTuple):
    """Facts of an encoded image that its header tells."""

    format: str
    """Pillow's name: "JPEG", "PNG" ..."""
    pixels: int


@dataclass(slots=True, eq=False, kw_only=True)
class Request:
    """Items asked for together: all are accepted or none, and all are answered together."""

    priority: Priority
    arrived: float
    """Seconds on the engine's clock, as are all times."""
    deadline: float
    rows: F32
    """[B, D], filled by the workers."""
    left: int
    """Items not yet embedded."""
    n_bytes: int = 0
    """Bytes of its texts and encoded images, which its caller holds until it ends."""
    ended: bool = False
    """True once it is answered, failed, expired or cancelled."""
    error: Exception | None = None
    started: float | None = None
    """Time when a worker took the first item."""
    truncated: list[int] = field(default_factory=list)
    tokens: int = 0
    decode_s: float = 0.0
    tower_s: float = 0.0
    future: "asyncio.Future[None] | None" = None
    context: Context | None = None
    """Context (`contextvars`) of the caller, in a copy of which its images are decoded."""


@dataclass(slots=True, eq=False, kw_only=True)
class Item:
    """One text or image of a request; a worker fills in the result."""

    request: Request
    place: int
    """Place among the caller's texts or images, for errors."""
    row: int
    """Row of the request's embeddings."""
    kind: Kind
    payload: object
    seconds: float
    """Estimated work."""
    tokens: int = 0
    """Of a text: estimated, later measured."""
    n_bytes: int = 0
    header: ImageHeader | None = None
    is_embedded: bool = False
    error: Exception | None = None
    truncated: bool = False
    decode_s: float = 0.0

    @property
    def pixels(self) -> int:
        """Pixels to be decoded; 0 if unknown."""
        return self.header.pixels if self.header else 0

    def failure(self) -> Exception:
        """Return the error of an item that was not embedded, with its place."""
        error = self.error or RuntimeError("the worker ended before the item was embedded")
        return at_place(error, self.kind, self.place)


@dataclass(slots=True, eq=False, kw_only=True)
class Run:
    """Items of one kind and priority that one worker embeds together."""

    queue: QueueName
    items: list[Item]
    seconds: float
    """Estimated work."""
    taken: float
    worker: int
    """Identifier of the worker's thread."""
    is_long: bool
    """True if it keeps its worker from interactive items for long."""
    cancellation: Cancellation | None = None
    """Given to runs that may be ended midway: those of bulk requests."""
    padded: int = 0
    """Of texts: tokens computed, padding included."""
    towers: int = 0
    """Runs of the tower."""
    tower_s: float = 0.0
    """Seconds in the tower and, of texts, in the tokenizer."""

    @property
    def pixels(self) -> int:
        """Pixels of its largest image; its images are decoded one after the other."""
        return max((item.pixels for item in self.items), default=0)
