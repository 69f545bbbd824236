"""Conversion between JSON objects and frozen dataclasses, with checks of every field."""

import dataclasses
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, cast

from twinlens.errors import quoted

T = TypeVar("T")


class RecordError(ValueError):
    """Error of a field that is missing, unknown or of the wrong type."""


def read(kind: type[T], value: object, path: str = "") -> T:
    """Build the dataclass `kind` from a JSON object; `path` is its path in the document.

    Raises:
        RecordError: names the field, its value and the wanted type.
    """
    if not isinstance(value, dict):
        raise RecordError(f"{path or 'the document'} is {_show(value)}, not an object")
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(cast("Any", kind))
    known = {field.name for field in fields}
    for name in value:
        if name not in known:
            raise RecordError(f"{_join(path, quoted(name))} is not a known field")
    found: dict[str, object] = {}
    for field in fields:
        field_path = _join(path, field.name)
        if field.name in value:
            found[field.name] = _check(hints[field.name], value[field.name], field_path)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise RecordError(f"{field_path} is missing")
    try:
        return kind(**found)
    except ValueError as error:
        raise RecordError(f"{path or 'the document'}: {error}") from error


def write(record: object) -> dict[str, Any]:
    """Convert a dataclass to a JSON object; fields with None are left out."""
    rows = dataclasses.asdict(cast("Any", record))
    return cast("dict[str, Any]", _prune(rows))


def _prune(value: object) -> object:
    if isinstance(value, dict):
        return {name: _prune(part) for name, part in value.items() if part is not None}
    if isinstance(value, (list, tuple)):
        return [_prune(part) for part in value]
    return value


def _check(hint: Any, value: object, path: str) -> object:  # noqa: ANN401  typing's own forms
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return read(cast("type[Any]", hint), value, path)
    if origin is Literal:
        if value not in arguments:
            known = ", ".join(str(argument) for argument in arguments)
            raise RecordError(f"{path} is {_show(value)}, not one of {known}")
        return value
    if origin in (typing.Union, types.UnionType):
        return _check_union(arguments, value, path)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _check_mapping(arguments, value, path)
    if origin is tuple:
        return _check_tuple(arguments, value, path)
    return _check_plain(hint, value, path)


def _check_union(arguments: tuple[Any, ...], value: object, path: str) -> object:
    """Check an optional type, or one of several dataclasses with distinct fields `kind`."""
    if value is None and type(None) in arguments:
        return None
    inner = [part for part in arguments if part is not type(None)]
    if len(inner) == 1:
        return _check(inner[0], value, path)
    kinds = {typing.get_args(typing.get_type_hints(part)["kind"])[0]: part for part in inner}
    found = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(found, str) or found not in kinds:
        raise RecordError(f"{_join(path, 'kind')} is {_show(found)}, not {', '.join(kinds)}")
    return read(kinds[found], value, path)


def _check_mapping(arguments: tuple[Any, ...], value: object, path: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise RecordError(f"{path} is {_show(value)}, not an object")
    for name in value:
        _check(arguments[0], name, f"the key {quoted(repr(name))} of {path}")
    return {
        name: _check(arguments[1], part, _join(path, quoted(name))) for name, part in value.items()
    }


def _check_tuple(arguments: tuple[Any, ...], value: object, path: str) -> tuple[object, ...]:
    wanted = None if arguments[-1] is Ellipsis else len(arguments)
    if not isinstance(value, (list, tuple)) or wanted not in (None, len(value)):
        raise RecordError(f"{path} is {_show(value)}, not a list of {wanted or 'values'}")
    hints = arguments if wanted else arguments[:1] * len(value)
    parts = zip(hints, value, strict=True)
    return tuple(_check(hint, part, f"{path}[{n}]") for n, (hint, part) in enumerate(parts))


def _check_plain(hint: type, value: object, path: str) -> object:
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        # An integer of JSON may be too large for a float.
        if not abs(value) <= sys.float_info.max:
            raise RecordError(f"{path} is {_show(value)}, not a finite number")
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise RecordError(f"{path} is {_show(value)}, not {hint.__name__}")
    return value


def _join(path: str, name: str) -> str:
    return f"{path}.{quoted(name)}" if path else quoted(name)


def _show(value: object) -> str:
    return quoted(repr(value))
