"""Classes without the constructors that nobody calls, since others make their objects."""

import ast
from pathlib import Path
from typing import Any

import griffe

FACE = Path(__file__).parents[1] / "runtime" / "twinlens" / "__init__.py"


class ConstructorsHidden(griffe.Extension):
    """Leave out a constructor that takes an object of a class that is not public."""

    def __init__(self) -> None:
        face = ast.parse(FACE.read_text("utf-8"))
        self._public = {
            alias.name
            for node in ast.walk(face)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

    def on_class(self, *, cls: griffe.Class, **_others: Any) -> None:  # noqa: ANN401
        """Take the constructor out of a class."""
        made = cls.members.get("__init__")
        if not isinstance(made, griffe.Function):
            return
        asked = (name for parameter in made.parameters for name in _classes_of(parameter))
        if any(name not in self._public for name in asked):
            cls.del_member("__init__")


def _classes_of(parameter: griffe.Parameter) -> list[str]:
    """Return the classes of this package that an annotation names."""
    if not isinstance(parameter.annotation, griffe.Expr):
        return []
    return [
        name.name
        for name in parameter.annotation.iterate()
        if isinstance(name, griffe.ExprName)
        and name.canonical_path.startswith("twinlens.")
        and name.name[0].isupper()
        and not name.name.isupper()
    ]
