"""Description of the interface in OpenAPI 3.1, made of the table of routes and their bodies.

`python -m twinlens.http.openapi` prints the content of `openapi.json`, which is kept beside this
file: a change of the interface shows in it.
"""

import inspect
import json
import sys
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from twinlens.http.bodies.answers import ErrorAnswer
from twinlens.http.routes.raw_image import FLOATS
from twinlens.http.routes.table import ROUTES, RouteEntry

REFERENCES: Final = "#/components/schemas/{name}"
STATUSES: Final = {
    400: "no JSON, or a header that means nothing",
    401: "the key is missing or unknown",
    404: "another model, or nothing there",
    406: "no media type of the answer that is known",
    408: "the body came too slowly",
    409: "no calibration, or other pixels",
    413: "the body is too large",
    415: "another media type",
    422: "an item or a field cannot be used; `param` names it",
    429: "no room now; `retry-after` says when",
    500: "not foreseen",
    503: "not ready, or about to end",
    504: "the time is over",
}


def description() -> dict[str, Any]:
    """Return the description of the interface."""
    kinds = [kind for entry in ROUTES for kind in (entry.request, entry.answer)]
    structs = [kind for kind in dict.fromkeys([*kinds, ErrorAnswer]) if isinstance(kind, type)]
    references, components = msgspec.json.schema_components(
        structs, schema_hook=_schema_of_raw, ref_template=REFERENCES
    )
    schemas = dict(zip(structs, references, strict=True))
    paths: dict[str, Any] = {}
    for entry in ROUTES:
        paths.setdefault(entry.path, {})[entry.method.lower()] = _operation(entry, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "twinlens serve",
            "version": "1",
            "description": "Embeddings, matches, labels and search of a CLIP-like model.",
        },
        "paths": paths,
        "components": {
            "schemas": _in_order(components),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    }


def _in_order(value: Any) -> Any:  # noqa: ANN401  any JSON
    """Return a schema with its alternatives in one order: each release of msgspec has its own."""
    if isinstance(value, dict):
        return {
            name: sorted(map(_in_order, inner), key=json.dumps)
            if name == "anyOf"
            else _in_order(inner)
            for name, inner in value.items()
        }
    return value


def _operation(entry: RouteEntry, schemas: dict[Any, Any]) -> dict[str, Any]:
    answers: dict[str, Any] = {
        "200": {"description": "the answer", "content": _content(entry.answer, schemas)}
    }
    if entry.request == "image/*":
        answers["200"]["content"] |= _content(FLOATS, schemas)
    for status in sorted(entry.errors):
        answers[str(status)] = {
            "description": STATUSES[status],
            "content": _content(ErrorAnswer, schemas),
        }
    found: dict[str, Any] = {
        "summary": (inspect.getdoc(entry.act) or "").partition("\n")[0],
        "operationId": f"{entry.method.lower()}{entry.path.replace('/', '_').replace('.', '_')}",
        "responses": answers,
    }
    if entry.request is not None:
        found["requestBody"] = {"required": True, "content": _content(entry.request, schemas)}
    return found


def _content(kind: type[Struct] | str, schemas: dict[Any, Any]) -> dict[str, Any]:
    if not isinstance(kind, str):
        return {"application/json": {"schema": schemas[kind]}}
    return {kind: {}}


def _schema_of_raw(kind: type) -> dict[str, Any]:
    """Return the schema of a row, which msgspec writes as it is."""
    if kind is Raw:
        return {"type": ["array", "string"], "items": {"type": "number"}}
    raise NotImplementedError(f"no schema of {kind}")


def text() -> str:
    """Return the content of `openapi.json`."""
    return f"{json.dumps(description(), indent=1)}\n"


if __name__ == "__main__":
    sys.stdout.write(text())
