"""Names that a reader cannot import, written out: aliases and constants."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import griffe


class NamesWrittenOut(griffe.Extension):
    """Put in place of each name that is not in `twinlens.__all__` what it stands for."""

    def on_package(self, *, pkg: griffe.Module, **_others: Any) -> None:  # noqa: ANN401
        """Rewrite every signature of twinlens."""
        if pkg.name != "twinlens":
            return
        public = {pkg.members[str(name)].canonical_path for name in pkg.exports or ()}
        for parent in _scopes(pkg):
            for thing in parent.members.values():
                if isinstance(thing, griffe.Attribute | griffe.Function):
                    _write_out(thing, public)
            constructor = parent.members.get("__init__")
            if isinstance(constructor, griffe.Function) and _is_ours(constructor, public):
                del parent.members["__init__"]


def _scopes(parent: griffe.Object) -> Iterator[griffe.Object]:
    """Yield a module or class and all those inside it."""
    yield parent
    for member in parent.members.values():
        if isinstance(member, griffe.Module | griffe.Class):
            yield from _scopes(member)


def _write_out(thing: griffe.Attribute | griffe.Function, public: set[str]) -> None:
    """Rewrite the signature of an attribute or a function."""
    if isinstance(thing, griffe.Attribute):
        thing.annotation = _written_out(thing.annotation, public)
        # `self.size = size` in a constructor tells nothing.
        own = str(thing.value) == thing.name
        thing.value = None if own else _written_out(thing.value, public)
        return
    thing.returns = _written_out(thing.returns, public)
    for parameter in thing.parameters:
        parameter.annotation = _written_out(parameter.annotation, public)
        parameter.default = _written_out(parameter.default, public)


def _written_out(part: Any, public: set[str]) -> Any:  # noqa: ANN401  a field of an expression
    """Return an expression with its private names replaced."""
    if isinstance(part, list | tuple):
        return type(part)(_written_out(item, public) for item in part)
    if isinstance(part, griffe.ExprName):
        named = _private(part, public)
        is_variable = not isinstance(named, griffe.Attribute) or _is_type_variable(named)
        return part if is_variable else _written_out(named.value, public)
    if isinstance(part, griffe.Expr):
        for field in fields(part):
            value = getattr(part, field.name)
            if isinstance(value, griffe.Expr | list | tuple):
                setattr(part, field.name, _written_out(value, public))
    return part


def _private(name: griffe.ExprName, public: set[str]) -> griffe.Object | None:
    """Return what a name of twinlens stands for, or None where a reader can import it."""
    path = name.canonical_path
    if not path.startswith("twinlens.") or path in public:
        return None
    try:
        named = name.resolved
    except (AttributeError, KeyError, TypeError):
        return None
    return named.final_target if isinstance(named, griffe.Alias) else named


def _is_type_variable(named: griffe.Attribute) -> bool:
    return str(named.value).startswith("TypeVar(")


def _is_ours(constructor: griffe.Function, public: set[str]) -> bool:
    """Tell a constructor that nobody but twinlens can call, since it takes a private class."""
    return any(
        isinstance(_private(name, public), griffe.Class)
        for parameter in constructor.parameters
        if isinstance(parameter.annotation, griffe.Expr)
        for name in parameter.annotation.iterate(flat=True)
        if isinstance(name, griffe.ExprName)
    )
