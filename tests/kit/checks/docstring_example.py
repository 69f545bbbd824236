"""The examples in the docstring of a module, run."""

import re
from collections.abc import Mapping
from inspect import cleandoc
from types import ModuleType
from typing import Any


def examples_of(module: ModuleType) -> list[str]:
    """Return the indented paragraphs of a module's docstring, each as code."""
    found = re.findall(r"(?:^(?:    .*)?\n)+", cleandoc(module.__doc__ or "") + "\n", re.MULTILINE)
    codes = [re.sub(r"^    ", "", part, flags=re.MULTILINE).strip() for part in found]
    return [code for code in codes if code]


def run_example(
    module: ModuleType,
    names: dict[str, Any] | None = None,
    *,
    number: int = 0,
    places: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run one example of a module's docstring; return the names that it leaves.

    Args:
        module: one whose docstring has examples.
        names: names that the example takes for granted.
        number: of the example.
        places: strings of the example, and the paths that stand for them here.
    """
    code = examples_of(module)[number]
    for place, path in (places or {}).items():
        assert f'"{place}' in code, f"the example does not name {place}"
        code = code.replace(f'"{place}', f'"{path}')
    left = dict(names or {})
    exec(compile(code, module.__name__, "exec"), left)
    return left
