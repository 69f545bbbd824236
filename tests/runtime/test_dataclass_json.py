import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinlens.dataclass_json import RecordError, read, write

Colour = Literal["red", "green"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"size is {self.size}, not a size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    name: str
    height: float
    alive: bool
    colour: Colour
    leaf: Leaf
    leaves: Mapping[Colour, Leaf]
    rings: tuple[int, ...] = ()
    place: tuple[str, float] = ("", 0.0)
    owner: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)


TREE: dict[str, Any] = {
    "name": "oak",
    "height": 12,
    "alive": True,
    "colour": "green",
    "leaf": {"size": 3},
    "leaves": {"red": {"size": 1}},
}

LEAVES = st.builds(Leaf, size=st.integers(min_value=0))
TREES = st.builds(
    Tree,
    name=st.text(),
    height=st.floats(allow_nan=False, allow_infinity=False),
    alive=st.booleans(),
    colour=st.sampled_from(["red", "green"]),
    leaf=LEAVES,
    leaves=st.dictionaries(st.sampled_from(["red", "green"]), LEAVES),
    rings=st.lists(st.integers()).map(tuple),
    place=st.tuples(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
    owner=st.none() | st.text(),
    notes=st.dictionaries(st.text(), st.text()),
)


@given(TREES)
def test_what_is_written_is_read_back(tree: Tree) -> None:
    assert read(Tree, json.loads(json.dumps(write(tree)))) == tree


def test_a_whole_number_is_taken_for_a_float() -> None:
    tree = read(Tree, TREE)
    assert (tree.height, type(tree.height)) == (12.0, float)
    assert (tree.rings, tree.owner, tree.notes) == ((), None, {})


def test_what_is_none_is_left_out() -> None:
    assert "owner" not in write(read(Tree, TREE))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("name", 7, "name is 7, not str"),
        ("name", None, "name is None, not str"),
        ("height", "tall", "height is 'tall', not float"),
        ("height", True, "height is True, not float"),
        ("height", float("nan"), "height is nan, not a finite number"),
        ("height", float("-inf"), "height is -inf, not a finite number"),
        ("height", 10**400, r"height is 1000.*\.\.\.0+, not a finite number"),
        ("alive", 1, "alive is 1, not bool"),
        ("colour", "blue", "colour is 'blue', not one of red, green"),
        ("colour", ["red"], r"colour is \['red'\], not one of red, green"),
        ("leaf", [], r"leaf is \[\], not an object"),
        ("leaf", {}, r"leaf\.size is missing"),
        ("leaf", {"size": 1.0}, r"leaf\.size is 1\.0, not int"),
        ("leaf", {"size": True}, r"leaf\.size is True, not int"),
        ("leaf", {"size": -1}, "leaf: size is -1, not a size"),
        ("leaf", {"size": 1, "sise": 2}, r"leaf\.sise is not a known field"),
        ("leaves", {"blue": {"size": 1}}, "the key 'blue' of leaves is 'blue', not one of red"),
        ("leaves", {"red": {"size": "S"}}, r"leaves\.red\.size is 'S', not int"),
        ("leaves", [], r"leaves is \[\], not an object"),
        ("rings", 3, "rings is 3, not a list of values"),
        ("rings", "abc", "rings is 'abc', not a list of values"),
        ("rings", [1, "2"], r"rings\[1\] is '2', not int"),
        ("place", ["here"], r"place is \['here'\], not a list of 2"),
        ("place", [1, 2], r"place\[0\] is 1, not str"),
        ("owner", 7, "owner is 7, not str"),
        ("notes", {"a": 1}, r"notes\.a is 1, not str"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_found(
    place: str, value: object, message: str
) -> None:
    with pytest.raises(RecordError, match=f"^{message}"):
        read(Tree, {**TREE, place: value})


@pytest.mark.parametrize("name", TREE)
def test_a_missing_field_is_named(name: str) -> None:
    document = {key: value for key, value in TREE.items() if key != name}
    with pytest.raises(RecordError, match=f"^{name} is missing"):
        read(Tree, document)


@pytest.mark.parametrize("document", [None, [], "oak", 3])
def test_a_document_that_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(RecordError, match=r"^the document is .*, not an object"):
        read(Tree, document)
