"""Figures of bench.serving: items a second, and latencies under load."""

import statistics
from collections.abc import Iterator
from typing import Any, Final

from bench.record.sources.towers import Cell

PEERS: Final = ("twinlens serve", "LitServe, twinlens towers", "FastAPI, plain onnxruntime int8")
SATURATION: Final = {"saturation, text": "captions/s", "saturation, image": "images/s"}
LOADS: Final = {"texts at 60%": "captions at 60 %, ms"}


def cells(document: dict[str, Any]) -> Iterator[Cell]:
    """Yield the figures of the services, in the median of their rounds."""
    lines = document.get("results", [])
    for peer in PEERS:
        for scenario, column in SATURATION.items():
            rates = [
                line["items_a_second"]
                for line in lines
                if line.get("scenario") == scenario and line.get("peer") == peer
            ]
            if rates:
                yield "services", peer, column, round(statistics.median(rates), 1)
        for scenario, column in LOADS.items():
            found = [
                line["text"]
                for line in lines
                if line.get("scenario") == scenario and line.get("peer") == peer and "text" in line
            ]
            for part in ("p50", "p99"):
                if found:
                    value = statistics.median(one[part] for one in found)
                    yield "services", peer, f"{column}: {part}", round(value, 2)
