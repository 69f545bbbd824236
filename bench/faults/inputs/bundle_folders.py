"""Damaged copies of a bundle: links to its files, and the one or two changed ones written anew."""

import copy
import json
import math
import os
import random
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

MANIFEST: Final = "twinlens.json"
Change = Callable[[Path, random.Random], str]
"""Damages a folder of links, and returns the damaged place."""
Steps = tuple[str | int, ...]
Json: TypeAlias = Any
"""Value of a JSON document, which may hold others of any type."""

HOSTILE: Final[tuple[Any, ...]] = (
    0, -1, 1, 2**31, 2**63 - 1, 2**63, 10**400, 0.5, -0.0, 1e308, -1e308, 5e-324,
    math.nan, math.inf, -math.inf, True, False, None, "", " ", "0", "none", "auto", "a\nb",
    "\x1b[31m", "../" * 8 + "etc/passwd", "/dev/zero", ".", "x" * 100_000, "\ud800", "fp16", "int8",
    "onnx/text_model_int8.onnx", "onnx/vision_model_int8.onnx", "tokenizer.json", MANIFEST,
    [], [0], [[]], [math.nan] * 3, list(range(1000)), {}, {"": 0}, {"a\nb": 1},
)  # fmt: skip
"""Values for a field of the manifest, of its own JSON type and of others."""
CHOICES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "resize": ("shortest_edge", "squash", "pad"),
        "interpolation": ("bicubic", "bilinear", "lanczos"),
        "crop": ("floor", "round"),
        "passes": ("pillow_13", "width_first"),
        "clean": ("none", "lower", "openai", "openai_cased", "canonical", "siglip"),
        "kind": ("platt", "beta", "isotonic"),
        "pixels": ("exact", "fast"),
        "level": ("native", "fitted-labels", "fitted-pairs"),
        "device": ("any", "cpu", "cuda"),
        "family": ("clip", "siglip"),
    }
)
"""Words that a field may hold in some bundle."""

FIGURES: Final = frozenset({"thresholds", "held_out", "agreement", "made_by", "fp16"})
"""Fields from which no answer of the int8 towers is made: most of the manifest."""


def linked(source: Path, place: Path) -> None:
    """Make `place` a copy of the source, of hard links, or of copies on another disk."""
    for file in sorted(source.rglob("*")):
        target = place / file.relative_to(source)
        if file.is_dir():
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file, target)
            except OSError:  # on another disk
                shutil.copyfile(file, target)


def leaves(node: Json, steps: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    """Yield the values of a JSON document that hold no others, with the steps to each."""
    if isinstance(node, dict | list) and node:
        members = node.items() if isinstance(node, dict) else enumerate(node)
        for name, value in members:
            yield from leaves(value, (*steps, name))
    else:
        yield steps, node


def differing(before: Mapping[str, Any], after: object) -> str:
    """Return the places in which two manifests differ, shortest first, three at most."""
    ours, theirs = dict(leaves(before)), dict(leaves(after))
    changed = {s for s in ours.keys() | theirs.keys() if repr(ours.get(s)) != repr(theirs.get(s))}
    return ", ".join(sorted((".".join(map(str, s)) for s in changed), key=len)[:3])


def _names(folder: Path) -> list[str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [str(path.relative_to(folder)) for path in paths]


def _rewrite(path: Path, content: bytes) -> None:
    path.unlink()  # the link, not the file that others share
    path.write_bytes(content)


def _edit(folder: Path, edit: Callable[[dict[str, Any]], str]) -> str:
    path = folder / MANIFEST
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        document = None
    if not isinstance(document, dict) or not document:  # after another damage
        return "no manifest is left"
    place = edit(document)
    _rewrite(path, json.dumps(document, indent=2).encode())
    return place


def _parent(document: Json, steps: Steps) -> Json:
    for step in steps[:-1]:
        document = document[step]
    return document


def _nodes(node: Json, steps: Steps = ()) -> Iterator[Steps]:
    """Yield the steps to every value, those that hold others too."""
    if steps:
        yield steps
    if isinstance(node, dict | list):
        members = node.items() if isinstance(node, dict) else enumerate(node)
        for name, value in members:
            yield from _nodes(value, (*steps, name))


def _kind(value: object) -> type:
    """Return the JSON type of a value."""
    return float if type(value) is int else type(value)


def _near(name: str | int, value: Json, rng: random.Random) -> Json:
    """Return another value of the same kind, such as somebody might have written."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + rng.choice((-1, 1, value, 64, -value))
    if isinstance(value, float):
        return value * rng.choice((-1, 0.5, 2, 1 + 1e-15, 1e6))
    if isinstance(value, str):
        others = tuple(word for word in CHOICES.get(str(name), ()) if word != value)
        return rng.choice(others or (value.upper(), value + "x", value[:-1], value[::-1]))
    return copy.deepcopy(value) * 2 if isinstance(value, list) else {}


def _manifest_value(folder: Path, rng: random.Random) -> str:
    def edit(document: dict[str, Any]) -> str:
        known = sorted(_nodes(document), key=str)
        few = [s for s in known if FIGURES.isdisjoint(s)] or known
        steps = rng.choice(known if rng.random() < 0.2 else few)
        parent = _parent(document, steps)
        old = parent[steps[-1]]
        way = rng.randrange(8)
        if way < 2:
            parent[steps[-1]] = rng.choice(HOSTILE)
        elif way < 5:
            alike = [value for value in HOSTILE if _kind(value) == _kind(old)]
            parent[steps[-1]] = rng.choice(alike or HOSTILE)
        elif way < 7:
            parent[steps[-1]] = _near(steps[-1], old, rng)
        else:
            other = rng.choice(few)
            parent[steps[-1]] = copy.deepcopy(_parent(document, other)[other[-1]])
        return ".".join(map(str, steps))

    return _edit(folder, edit)


def _manifest_key(folder: Path, rng: random.Random) -> str:
    def edit(document: dict[str, Any]) -> str:
        places = [s for s in sorted(_nodes(document), key=str) if isinstance(s[-1], str)]
        steps = rng.choice(places)
        parent = _parent(document, steps)
        way = rng.randrange(3)
        if way == 0:
            del parent[steps[-1]]
        elif way == 1:
            parent[rng.choice(("a\nb", "", "x" * 10_000, "\x00", "__class__"))] = 1
        else:
            parent[rng.choice(("a\nb", "", steps[-1].upper()))] = parent.pop(steps[-1])
        return ".".join(map(str, steps))

    return _edit(folder, edit)


def _manifest_text(folder: Path, rng: random.Random) -> str:
    path = folder / MANIFEST
    if not path.is_file():
        return "no manifest is left"
    text = path.read_bytes()
    ways = (
        b"[" * 100_000,
        b"\xef\xbb\xbf" + text,
        text.decode(errors="replace").encode("utf-16"),
        text + text,
        text.replace(b"{", b'{"format": 1, ', 1),
        text.replace(b'"format": 1', b'"format": 1.0', 1),
        text.replace(b'"format": 1', b'"format": true', 1),
        text.replace(b"192", b"9" * 5000, 1),
        b"null",
        b"[]",
        b'"twinlens"',
        b"",
    )
    way = rng.randrange(len(ways))
    _rewrite(path, ways[way])
    return f"{MANIFEST} rewritten, way {way}"


def _bits(folder: Path, rng: random.Random) -> str:
    name = rng.choice(_names(folder))
    return _flipped(folder, name, rng)


def _manifest_bits(folder: Path, rng: random.Random) -> str:
    if not (folder / MANIFEST).is_file():
        return "no manifest is left"
    return _flipped(folder, MANIFEST, rng)


def _flipped(folder: Path, name: str, rng: random.Random) -> str:
    content = bytearray((folder / name).read_bytes() or b"\0")
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    _rewrite(folder / name, bytes(content))
    return name


def _cut(folder: Path, rng: random.Random) -> str:
    name = rng.choice(_names(folder))
    content = (folder / name).read_bytes()
    kept = rng.choice((0, 1, len(content) - 1, rng.randrange(len(content) + 1)))
    _rewrite(folder / name, content[:kept])
    return name


def _grown(folder: Path, rng: random.Random) -> str:
    name = rng.choice(_names(folder))
    added = rng.choice((b"\n", b"\0" * 4096, rng.randbytes(64)))
    _rewrite(folder / name, (folder / name).read_bytes() + added)
    return name


def _missing(folder: Path, rng: random.Random) -> str:
    name = rng.choice(_names(folder))
    (folder / name).unlink()
    return name


def _extra(folder: Path, rng: random.Random) -> str:
    name = rng.choice(("onnx/model.onnx", "x", "twinlens.json.draft", ".hidden", "a\nb", "onnx/x"))
    if not (folder / name).exists():
        (folder / name).write_bytes(rng.randbytes(100))
    return name


def _swapped(folder: Path, rng: random.Random) -> str:
    one, other = rng.choice(_names(folder)), rng.choice(_names(folder))
    first, second = (folder / one).read_bytes(), (folder / other).read_bytes()
    _rewrite(folder / one, second)
    _rewrite(folder / other, first)
    return f"{one} and {other}"


def _link(folder: Path, rng: random.Random) -> str:
    name = rng.choice(_names(folder))
    path = folder / name
    others = [folder / other for other in _names(folder)]
    target = rng.choice((path, Path("/dev/zero"), Path("/dev/null"), folder, *others, folder / "-"))
    path.unlink()
    path.symlink_to(target)
    return f"{name} to {target if 'dev' in target.parts else target.name}"


def _fifo(folder: Path, rng: random.Random) -> str:
    name = rng.choice(_names(folder))
    (folder / name).unlink()
    os.mkfifo(folder / name)
    return name


def _socket(folder: Path, rng: random.Random) -> str:
    name = rng.choice(_names(folder))
    (folder / name).unlink()
    with socket.socket(socket.AF_UNIX) as made:
        try:
            made.bind(str(folder / name))
        except OSError:  # the path is too long for a socket
            return f"no {name}"
    return name


def _directory(folder: Path, rng: random.Random) -> str:
    name = rng.choice(_names(folder))
    (folder / name).unlink()
    (folder / name).mkdir()
    return name


CHANGES: Final[Mapping[str, tuple[int, Change]]] = MappingProxyType(
    {
        "manifest value": (30, _manifest_value),
        "manifest key": (10, _manifest_key),
        "manifest bits": (15, _manifest_bits),
        "manifest text": (3, _manifest_text),
        "bits": (10, _bits),
        "cut": (8, _cut),
        "grown": (4, _grown),
        "missing": (3, _missing),
        "extra": (3, _extra),
        "swapped": (3, _swapped),
        "link": (5, _link),
        "fifo": (2, _fifo),
        "socket": (2, _socket),
        "directory": (2, _directory),
    }
)
"""Kinds of damage, each with its weight."""


def kind_of(rng: random.Random) -> str:
    """Return a kind of damage, each as often as its weight says."""
    return rng.choices(list(CHANGES), [weight for weight, _ in CHANGES.values()])[0]
