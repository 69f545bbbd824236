"""Examples of docstrings as blocks of code; Markdown reads their `>>>` as quotations."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^(?P<indent> *)>>> (?:.*\n?)(?:(?P=indent)\S.*\n?)*", re.MULTILINE)


class ExamplesFenced(griffe.Extension):
    """Put a fence around the examples of every docstring."""

    def on_object(self, *, obj: griffe.Object, **_others: Any) -> None:  # noqa: ANN401
        """Rewrite the docstring of an object."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(_fenced, obj.docstring.value)


def _fenced(example: re.Match[str]) -> str:
    indent = example["indent"]
    return f"{indent}```pycon\n{example[0].rstrip()}\n{indent}```\n"
