"""Defaults by their values: the reader of a signature does not know a constant by its name."""

from typing import Any

import griffe


class DefaultsShown(griffe.Extension):
    """Put the values of constants in the place of their names, in signatures."""

    def on_package(self, *, pkg: griffe.Module, **_others: Any) -> None:  # noqa: ANN401
        """Rewrite the defaults of every function of a package."""
        for made in _functions_of(pkg):
            for parameter in made.parameters:
                parameter.default = _value_of(parameter.default, pkg)


def _functions_of(owner: griffe.Module | griffe.Class) -> list[griffe.Function]:
    found = []
    for member in owner.members.values():
        if isinstance(member, griffe.Function):
            found.append(member)
        elif isinstance(member, griffe.Module | griffe.Class):
            found += _functions_of(member)
    return found


def _value_of(default: Any, pkg: griffe.Module) -> Any:  # noqa: ANN401
    """Return the value of a constant, or the default as it is."""
    if not isinstance(default, griffe.ExprName):
        return default
    try:
        constant = pkg.modules_collection[default.canonical_path]
    except KeyError:
        return default
    return constant.value if isinstance(constant, griffe.Attribute) else default
