"""The words of the docstrings: noun and verb first, standard terms, no riddles."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("runtime", "export", "kernels", "bench", "tests")
RIDDLES = {"how", "that", "what", "when", "where", "whether", "which", "who", "whose", "why"}
"""First words that begin a relative clause, in which the noun is missing."""
MOST_WHATS = 1e-3


def docstrings() -> Iterator[tuple[str, str]]:
    """Docstrings of modules, classes, functions and attributes, each with its place."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                for line, text in docstrings_of(node):
                    yield f"{path.relative_to(ROOT)}:{line}", text


def docstrings_of(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        first = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for statement in node.body[:1] if first else node.body:
            value = getattr(statement, "value", None)
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield statement.lineno, value.value


def test_a_docstring_begins_with_a_noun_or_a_verb() -> None:
    found = [
        f"{place}: {text.strip()[:60]}"
        for place, text in docstrings()
        if (words := re.findall(r"[a-z]+", text.lower())) and words[0] in RIDDLES
    ]
    assert not found, "\n".join(found)


def test_what_is_rare() -> None:
    words = [word for _, text in docstrings() for word in re.findall(r"[a-z']+", text.lower())]
    assert len(words) > 30_000
    assert words.count("what") < MOST_WHATS * len(words)
