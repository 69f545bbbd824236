"""Requests as OpenAI's client sends them, and the answers that they must have."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from bench.serving.inputs.items import Items

F32 = NDArray[np.float32]
Kind = Literal["text", "texts", "image", "images"]

SEVERAL: Final = 32
"""Items of a request for several."""
MODEL: Final = "clip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: its items, its bytes, and its rows."""

    items: Sequence[str] | Sequence[bytes]
    body: bytes
    rows: F32
    """[n, D], as twinlens gives them outside of any service."""
    encoded_rows: tuple[bytes, ...]
    """Each row in base64, as it must stand in the answer."""


def requests_of(kind: Kind, folder: Path) -> list[Request]:
    """Return the distinct requests of one kind."""
    items = Items.read(folder)
    if kind in {"text", "texts"}:
        rows = np.load(folder / "expected_texts.npy")
        return [
            _request([items.captions[n] for n in numbers], rows[list(numbers)], {})
            for numbers in _numbers(len(items.captions), several=kind == "texts")
        ]
    rows = np.load(folder / "expected_images.npy")
    return [
        _request([items.pictures[n] for n in numbers], rows[list(numbers)], {"modality": "image"})
        for numbers in _numbers(len(items.pictures), several=kind == "images")
    ]


def _numbers(count: int, *, several: bool) -> list[list[int]]:
    if not several:
        return [[number] for number in range(count)]
    step = SEVERAL if count >= SEVERAL**2 else SEVERAL // 4  # few pictures are in several requests
    return [[(start + n) % count for n in range(SEVERAL)] for start in range(0, count, step)]


def _request(items: list[str] | list[bytes], rows: F32, more: dict[str, Any]) -> Request:
    body = {
        "model": MODEL,
        "input": [one if isinstance(one, str) else data_uri(one) for one in items],
        "encoding_format": "base64",
    }
    return Request(
        items=items,
        body=json.dumps(body | more).encode(),
        rows=rows,
        encoded_rows=tuple(base64.b64encode(row.tobytes()) for row in rows),
    )


def data_uri(picture: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(picture).decode()


def http_request(path: str, body: bytes, content_type: str = "application/json") -> bytes:
    """Return the bytes of a POST in HTTP/1.1 on a connection that stays."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {content_type}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
