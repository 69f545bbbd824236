"""The public face: whatever a signature or a document names can be imported from `twinlens`."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from inspect import getdoc
from pathlib import Path

import pytest

import twinlens
from twinlens import errors

ROOT = Path(twinlens.__file__).parent
REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = [
    REPOSITORY / "README.md",
    ROOT / "images" / "IMAGES.md",
    ROOT / "demo" / "MODEL_CARD.md",
    *sorted((REPOSITORY / "docs" / "pages").rglob("*.md")),
]
Home = tuple[str, str]
"""A module, and the name of what it defines."""


@cache
def tree_of(module: str) -> ast.Module:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


@cache
def homes_in(module: str) -> dict[str, Home]:
    """Homes of the names of the project that a module defines or imports."""
    homes: dict[str, Home] = {}
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("twinlens"):
            homes |= {a.asname or a.name: (str(node.module), a.name) for a in node.names}
    for node in tree_of(module).body:
        homes |= {name: (module, name) for name in defined_by(node)}
    return homes


def defined_by(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        yield node.name
    for target in getattr(node, "targets", [getattr(node, "target", None)]):
        if isinstance(target, ast.Name):
            yield target.id


def annotations_of(node: ast.stmt) -> Iterator[ast.expr]:
    """Annotations and bases that a user of this definition meets."""
    if isinstance(node, ast.FunctionDef):
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        yield from filter(None, [*(a.annotation for a in arguments), node.returns])
    elif isinstance(node, ast.ClassDef):
        yield from node.bases
        for member in node.body:
            public = not next(defined_by(member), "_").startswith("_")
            if isinstance(member, (ast.FunctionDef, ast.AnnAssign)) and public:
                yield from annotations_of(member)
    elif isinstance(node, ast.AnnAssign):
        yield node.annotation
        if getattr(node.annotation, "id", "") == "TypeAlias" and node.value is not None:
            yield node.value
    elif isinstance(node, ast.Assign):
        yield node.value


def named_in(expression: ast.expr, module: str) -> Iterator[Home]:
    """Homes of what an annotation names, `module.Name` and quoted annotations included."""
    homes = homes_in(module)
    for node in ast.walk(expression):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in homes:
                yield ".".join(homes[node.value.id]), node.attr
        elif isinstance(node, ast.Name) and node.id in homes and is_value(homes[node.id]):
            yield homes[node.id]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                quoted = ast.parse(node.value, mode="eval")
            except SyntaxError:
                continue
            yield from named_in(quoted.body, module)


def is_value(home: Home) -> bool:
    """False for a submodule."""
    return any(home[1] in defined_by(node) for node in tree_of(home[0]).body)


def private(home: Home) -> bool:
    """True of a type variable, an array of one dtype such as F32, and half of an alias."""
    if home[1].startswith("_"):
        return True
    definition = next(n for n in tree_of(home[0]).body if home[1] in defined_by(n))
    meaning = ast.unparse(getattr(definition, "value", None) or ast.Constant(value=None))
    return re.match(r"(TypeVar\(|NDArray\[[\w.]+\]( \| NDArray\[[\w.]+\])*$)", meaning) is not None


def reached_from(home: Home) -> Iterator[Home]:
    """Homes of the names that a user of this definition meets, those of private bases included."""
    for node in tree_of(home[0]).body:
        if home[1] in defined_by(node):
            bases = getattr(node, "bases", [])
            for annotation in annotations_of(node):
                for found in named_in(annotation, home[0]):
                    if annotation in bases and private(found):
                        yield from reached_from(found)
                    elif is_class(found) or not private(found):
                        yield found


def is_class(home: Home) -> bool:
    classes = (n.name for n in tree_of(home[0]).body if isinstance(n, ast.ClassDef))
    return home[1] in classes


def test_all_is_what_dir_and_completion_offer() -> None:
    assert dir(twinlens) == sorted(twinlens.__all__)
    assert len(set(twinlens.__all__)) == len(twinlens.__all__)
    assert not [name for name in twinlens.__all__ if not hasattr(twinlens, name)]


def test_the_face_imports_what_it_offers_from_where_it_is_defined() -> None:
    homes = homes_in("twinlens")
    assert set(twinlens.__all__) <= set(homes)
    for name in twinlens.__all__:
        assert is_value(homes[name]), f"{name} is not defined in {homes[name][0]}"
    assert {name: homes[name][0] for name in twinlens._LATE} == twinlens._LATE  # type: ignore[attr-defined]


def test_a_typo_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'twinlens' has no attribute 'lod'"):
        _ = twinlens.lod  # type: ignore[attr-defined]


def test_every_error_can_be_imported() -> None:
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert defined <= set(twinlens.__all__)


def test_every_name_in_a_public_signature_can_be_imported() -> None:
    homes = homes_in("twinlens")
    waiting = [homes[name] for name in twinlens.__all__]
    seen: dict[Home, Home] = {home: home for home in waiting}
    while waiting:
        home = waiting.pop()
        for found in reached_from(home):
            if found not in seen:
                seen[found] = home
                waiting.append(found)
    missing = {name: by for name, by in seen.items() if name[1] not in twinlens.__all__}
    assert not missing, "\n".join(f"{name} is named by {by}" for name, by in missing.items())


def documents() -> Iterator[tuple[str, str]]:
    for path in DOCUMENTS:
        yield path.name, path.read_text(encoding="utf-8")
    for name in twinlens.__all__:
        value = getattr(twinlens, name)
        yield name, getdoc(value) or ""
        for kind in value.__mro__ if isinstance(value, type) else ():
            for member, inner in (
                vars(kind).items() if kind.__module__.startswith("twinlens") else ()
            ):
                if not member.startswith("_"):
                    yield f"{name}.{member}", getdoc(inner) or ""


def classes() -> set[str]:
    """Names of all classes of the runtime."""
    names = set()
    for path in ROOT.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names |= {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    return names


def test_every_name_in_a_document_can_be_imported() -> None:
    known, missing = classes(), []
    for title, text in documents():
        attributes = re.findall(r"(?<![\w/'-])twinlens\.(?!integrations\b|json\b|__)(\w+)", text)
        quoted = set(re.findall(r"`(\w+)", text)) & known
        called = set(re.findall(r"\b([A-Z]\w+)\(", text)) & known
        wanted = {*attributes, *quoted, *called}
        missing += [f"{title}: {name}" for name in wanted - set(twinlens.__all__)]
    assert not missing
