"""The example in the docstring of a module, run."""

from inspect import cleandoc
from types import ModuleType
from typing import Any


def run_example(module: ModuleType, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run the indented lines of a module's docstring; return the names that they leave.

    Args:
        module: one whose docstring has an example.
        names: names that the example takes for granted.
    """
    text = cleandoc(module.__doc__ or "")
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ") or not line]
    code = "\n".join(lines).strip()
    assert "import" in code, f"{module.__name__} has no example"
    left = dict(names or {})
    exec(compile(code, module.__name__, "exec"), left)
    return left
