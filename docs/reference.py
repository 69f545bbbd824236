"""Pages of reference, one a room of the public names, made of their docstrings."""

import ast
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

FACE = Path(__file__).parents[1] / "runtime" / "twinlens" / "__init__.py"


def rooms(face: str) -> dict[str, list[str]]:
    """Return the public names by the comment that stands above them in `__all__`."""
    found: dict[str, list[str]] = {}
    listed = re.search(r"__all__ = \[.*?\n(.*?)\]", face, re.DOTALL)
    assert listed is not None
    for line in listed[1].splitlines():
        word = line.strip()
        if word.startswith("#"):
            found[word.removeprefix("#").strip()] = []
        else:
            found[next(reversed(found))].append(ast.literal_eval(word.rstrip(",")))
    return found


def homes(face: str) -> dict[str, str]:
    """Return the module that defines each imported name."""
    return {
        alias.asname or alias.name: node.module or ""
        for node in ast.walk(ast.parse(face))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def page(room: str, names: list[str], home: dict[str, str]) -> str:
    """Return the Markdown of a page of reference."""
    directives = (directive(home[name], name) for name in names)
    return "\n\n".join([f"# {room.capitalize()}", *directives, ""])


def directive(module: str, name: str) -> str:
    """Return the line of a name; private bases hold a part of its methods, and are not told."""
    path = FACE.parents[1].joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(path.read_text("utf-8"))
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    bases = [ast.unparse(base) for found in classes for base in found.bases]
    options = "\n    options: {show_bases: false}" if any(b[:1] == "_" for b in bases) else ""
    return f"::: {module}.{name}{options}"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages of reference to the navigation."""
    pages = [f"reference/{room.replace(' ', '-')}.md" for room in rooms(FACE.read_text("utf-8"))]
    config.nav = [*(config.nav or []), {"Reference": pages}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of reference to the files."""
    face = FACE.read_text("utf-8")
    home = homes(face)
    for room, names in rooms(face).items():
        content = page(room, names, home)
        path = f"reference/{room.replace(' ', '-')}.md"
        files.append(File.generated(config, path, content=content))
    return files
