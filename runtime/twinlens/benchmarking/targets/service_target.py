"""Target by HTTP: a running `twinlens serve`, or any server of OpenAI's embeddings."""

import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from twinlens.benchmarking.errors import ServiceError
from twinlens.benchmarking.inputs import Items
from twinlens.benchmarking.options import Scenario, Settings
from twinlens.benchmarking.record import Accuracy, Inputs, Query, Result, Target
from twinlens.benchmarking.scenarios import cold
from twinlens.benchmarking.scenarios.loads import Asker, LoadQuery
from twinlens.benchmarking.scenarios.probe import Probe
from twinlens.benchmarking.targets.http_connection import Address, Connection, WaitingConnection
from twinlens.benchmarking.targets.model_target import (
    MOST_COMPARED,
    Opening,
    agreement,
)
from twinlens.errors import amount, quoted
from twinlens.normalization import unit_rows

F32 = NDArray[np.float32]
T = TypeVar("T")

OK: Final = 200
KINDS: Final = {"png": b"\x89PNG", "webp": b"RIFF", "gif": b"GIF8"}
"""Types of images, by their first bytes."""
NO_IMAGES: Final = "this service embeds no images by `modality`"


class ServiceTarget:
    """A service that is asked by requests, as OpenAI's client sends them."""

    def __init__(
        self,
        address: Address,
        items: Items,
        settings: Settings,
        *,
        reference: Opening | None = None,
    ) -> None:
        """Ask the service for its model, and for the first rows.

        Args:
            address: its place.
            items: images and texts to ask with.
            settings: scenarios and loads.
            reference: a bundle whose rows those of the service are compared with.

        Raises:
            ServiceError: it does not answer, or has no embeddings.
        """
        self._address, self._items, self._reference = address, items, reference
        self._settings = settings
        self._refused: list[Result] = []
        self._waiting = WaitingConnection(address)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._waiting.close()

    def _open(self) -> None:
        items = self._items
        self._model = self._model_name()
        self.requests: dict[LoadQuery, list[bytes]] = {
            "text": [self._request([text], "text") for text in items.texts]
        }
        self._long = [self._request([text], "text") for text in items.long_texts]
        self._rows_of(self.requests["text"][0])
        uris = [_data_uri(image) for image in items.images]
        images = [self._request([uri], "image") for uri in uris]
        status, _ = self._waiting.ask(images[0])
        if status == OK:
            several = [_at(uris, number) for number in range(self._settings.bulk_images)]
            bulk_request = self._request(several, "image", priority="bulk")
            self.requests |= {"image": images, "bulk": [bulk_request]}

    @property
    def facts(self) -> Target:
        """Its address and the model that it names."""
        address = self._address
        scheme = "https" if address.is_tls else "http"
        told = self._maker()
        return Target(
            kind="service",
            name=f"{scheme}://{address.host}:{address.port}{address.base}",
            source=self._model or None,
            sha256=told.get("towers"),
            precision=told.get("precision"),
            pixels=told.get("pixels"),
            width=len(self._rows_of(self.requests["text"][0])[0]),
        )

    def inputs(self) -> Inputs:
        """Return facts of the images and texts; the service's tokens are not known."""
        return self._items.facts(tokens=None, long_tokens=None)

    def accuracy(self) -> Mapping[str, Accuracy]:
        """Return cosines with the rows of the bundle that was named; none without it."""
        if self._reference is None:
            return {}
        items, found = self._items, dict[str, Accuracy]()
        texts, images = items.texts[:MOST_COMPARED], items.images[:MOST_COMPARED]
        with self._reference.open() as model:
            wanted = {
                "text": model.embed_texts(texts, on_cut="ignore"),
                "image": model.embed_images(images),
            }
            name = f"{self._reference.bundle}, {model.precision}, in this process"
        for kind in ("text", "image"):
            if kind in self.requests:
                requests = self.requests[kind][: len(wanted[kind])]
                rows = np.concatenate([self._rows_of(request) for request in requests])
                found[kind] = agreement(unit_rows(rows), wanted[kind], reference=name)
        return found

    def probes(self) -> Sequence[Probe]:
        """Return single queries, one request each, and batches that the service takes at once."""
        settings, found = self._settings, list[Probe]()
        if "single" in settings.scenarios:
            found += self._single()
        if "offline" in settings.scenarios:
            for batch in settings.batches:
                found += self._offline(batch)
        return found

    def left_out(self) -> Sequence[Result]:
        """Return scenarios that a service in another process does not have."""
        settings, found = self._settings, [*self._refused]
        if "search" in settings.scenarios:
            found.append(_missing("search", "search", "needs a bundle, whose width the rows have"))
        if "cold" in settings.scenarios:
            found.append(_missing("cold", cold.NAME, "a service that runs is not cold"))
        if "image" not in self.requests and {"single", "server"} & {*settings.scenarios}:
            found.append(_missing("single", "one image", NO_IMAGES))
        return found

    @asynccontextmanager
    async def asker(self) -> AsyncIterator[Asker]:
        """Open as many connections as are in use at once."""
        asker = _Requests(self._address, self.requests)
        try:
            yield asker
        finally:
            asker.close()

    def cold(self, seconds: float) -> Sequence[Result]:
        """Ask the service once a second."""
        return cold.once_a_second(self._single()[:2], seconds=seconds)

    def _single(self) -> list[Probe]:
        queries: dict[Query, list[bytes]] = {
            "text": self.requests["text"],
            "long text": self._long,
        }
        if "image" in self.requests:
            queries = {"image": self.requests["image"], **queries}
        return [
            self._probe("single", f"one {query}", query, 1, requests)
            for query, requests in queries.items()
        ]

    def _offline(self, batch: int) -> list[Probe]:
        texts, images = self._items.texts, self._items.images
        asked: list[tuple[Query, list[bytes]]] = []
        if batch <= len(texts):
            requests = [
                self._request(texts[at : at + batch], "text")
                for at in range(0, len(texts) - batch + 1, batch)
            ]
            asked.append(("text", requests))
        if "image" in self.requests:
            uris = [_data_uri(_at(images, number)) for number in range(batch)]
            asked.append(("image", [self._request(uris, "image", priority="bulk")]))
        return [
            self._probe("offline", amount(batch, query), query, batch, requests)
            for query, requests in asked
            if self._takes(amount(batch, query), requests[0])
        ]

    def _takes(self, name: str, request: bytes) -> bool:
        """Return True if the service answers a request; note the reason if it does not."""
        status, body = self._waiting.ask(request)
        if status != OK:
            self._refused.append(_missing("offline", name, _refusal(status, body, name)))
        return status == OK

    def _probe(
        self, scenario: Scenario, name: str, query: Query, items: int, requests: Sequence[bytes]
    ) -> Probe:
        def act(number: int) -> None:
            status, body = self._waiting.ask(_at(requests, number))
            if status != OK:
                raise ServiceError(_refusal(status, body, name))

        return Probe(scenario=scenario, name=name, query=query, items=items, act=act, here=False)

    def _request(
        self, values: Sequence[str], modality: str, *, priority: str | None = None
    ) -> bytes:
        body: dict[str, Any] = {"input": list(values), "encoding_format": "base64"}
        if self._model:
            body["model"] = self._model
        if modality != "text":
            body["modality"] = modality
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        return self._address.request("POST", "/embeddings", content, priority=priority)

    def _model_name(self) -> str:
        """Return the first model that the service names; empty if it names none."""
        status, body = self._waiting.ask(self._address.request("GET", "/models"))
        try:
            return str(json.loads(body)["data"][0]["id"]) if status == OK else ""
        except (ValueError, LookupError, TypeError):
            return ""

    def _maker(self) -> dict[str, str]:
        """Return the towers, the precision and the pixels that `twinlens serve` tells."""
        _, body = self._waiting.ask(self.requests["text"][0])
        told = json.loads(body).get("twinlens")
        fields = told if isinstance(told, dict) else {}
        return {
            name: str(fields[name]) for name in ("towers", "precision", "pixels") if name in fields
        }

    def _rows_of(self, request: bytes) -> F32:
        """Return the rows [B, D] of a request.

        Raises:
            ServiceError: they are none.
        """
        status, body = self._waiting.ask(request)
        if status != OK:
            raise ServiceError(_refusal(status, body, "a text"))
        try:
            rows = [_row(entry["embedding"]) for entry in json.loads(body)["data"]]
            return np.stack(rows)
        except (ValueError, LookupError, TypeError) as error:
            raise ServiceError(
                f"the answer holds no embeddings ({quoted(error)}), wanted those of OpenAI's API"
            ) from error


class _Requests:
    """Asker by HTTP."""

    def __init__(self, address: Address, requests: Mapping[LoadQuery, Sequence[bytes]]) -> None:
        self._address, self._requests = address, requests
        self._free: list[Connection] = []

    async def ask(self, query: LoadQuery, number: int) -> bool:
        """Send one request on a connection that is free."""
        if query not in self._requests:
            return False
        connection = self._free.pop() if self._free else Connection(self._address)
        status, _ = await connection.ask(_at(self._requests[query], number))
        self._free.append(connection)
        return status == OK

    def close(self) -> None:
        """Close all connections."""
        for connection in self._free:
            connection.close()


def _row(value: object) -> F32:
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value), dtype="<f4").astype(np.float32)
    return np.asarray(value, dtype=np.float32)


def _data_uri(image: bytes) -> str:
    kinds = (kind for kind, start in KINDS.items() if image.startswith(start))
    return f"data:image/{next(kinds, 'jpeg')};base64,{base64.b64encode(image).decode()}"


def _refusal(status: int, body: bytes, name: str) -> str:
    words = quoted(body.decode("utf-8", "replace"))
    return f"the service answers {name} with {status} ({words}), wanted {OK}; see its log"


def _missing(scenario: Scenario, name: str, reason: str) -> Result:
    query: Query = "search" if scenario == "search" else "image"
    return Result(scenario=scenario, name=name, query=query, valid=False, reason=reason)


def _at(values: Sequence[T], number: int) -> T:
    return values[number % len(values)]
