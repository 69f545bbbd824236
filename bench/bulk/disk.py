"""A disk that forgets: the state of a folder after a loss of power, from recorded system calls.

A file keeps the bytes of its last fsync; of those behind, any beginning may be there, or nothing. A
name is safe once its folder was synchronised; of the changes since, any number of the first may be.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

CALLS: Final = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat"
_LINE: Final = re.compile(r"(\d+)\s+(.*)")
_WORD: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR: Final = re.compile(r"\(\d+<((?:\\x[0-9a-f]{2})*)>")

Call = tuple[str, list[bytes]]
"""Name of a call, and its paths and bytes."""
Image = dict[str, bytes]
"""Files of a folder by name."""


def recorded(log: Path, folder: Path) -> Iterator[Call]:
    """Yield the calls of strace's log (-f -y -xx) that concern files directly in a folder."""
    begun: dict[str, str] = {}
    inside = str(folder).encode()
    for line in log.read_text(encoding="ascii", errors="replace").splitlines():
        pid, text = _LINE.fullmatch(line).groups()
        if text.endswith("<unfinished ...>"):
            begun[pid] = text.removesuffix("<unfinished ...>")
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", text)
        text = begun.pop(pid, "") + resumed[1] if resumed else text
        name, paths = text.partition("(")[0], [_bytes(word) for word in _WORD.findall(text)]
        failed = re.search(r"\) += -1 ", text) is not None
        at = _DESCRIPTOR.search(text)
        if at is not None and name != "openat":
            paths.insert(0, _bytes(at[1]))
        if not failed and paths and paths[0].startswith(inside):
            if name == "openat" and "O_CREAT" not in text:
                continue
            yield name, paths


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


@dataclass(slots=True)
class _File:
    content: bytearray = field(default_factory=bytearray)
    synced: bytes = b""


class Disk:
    """Folder behind a cache."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder).encode()
        self._names: dict[str, _File] = {}
        self._safe: dict[str, _File] = {}
        self._pending: list[tuple[str, str, _File | None]] = []

    def apply(self, call: Call) -> None:
        """Carry out one call.

        Raises:
            ValueError: it is of a kind that is not understood.
        """
        name, paths = call
        if name == "openat":
            if (path := self._name(paths[0])) not in self._names:
                self._names[path] = _File()
                self._pending.append(("add", path, self._names[path]))
        elif name == "write":
            self._names[self._name(paths[0])].content += paths[1]
        elif name == "fsync":
            self._sync(paths[0])
        elif name == "rename":
            old, new = self._name(paths[0]), self._name(paths[1])
            file = self._names.pop(old)
            self._names[new] = file
            self._pending += [("rename", new, file), ("forget", old, None)]
        elif name == "unlink":
            path = self._name(paths[0])
            del self._names[path]
            self._pending.append(("forget", path, None))
        else:
            raise ValueError(f"{name} of {paths[0]!r} is not understood")

    def images(self, rng: random.Random) -> Iterator[Image]:
        """Yield states that a loss of power may leave now: strict ones, and one drawn."""
        yield {name: file.synced for name, file in self._safe.items()}
        yield {name: file.synced for name, file in self._names.items()}
        yield {name: _torn(file, rng) for name, file in self._names.items()}
        names = dict(self._safe)
        for what, name, file in self._pending[: rng.randint(0, len(self._pending))]:
            if what == "forget" or file is None:
                names.pop(name, None)
            else:
                names[name] = file
        yield {name: _torn(file, rng) for name, file in names.items()}

    def _sync(self, path: bytes) -> None:
        if path == self._folder:
            self._safe = dict(self._names)
            self._pending.clear()
        else:
            file = self._names[self._name(path)]
            file.synced = bytes(file.content)

    def _name(self, path: bytes) -> str:
        return path.removeprefix(self._folder + b"/").decode()


def _torn(file: _File, rng: random.Random) -> bytes:
    """Return the safe bytes, or some that were not: a beginning, or zeros in their place."""
    if file.synced == file.content:
        return file.synced
    kept = rng.randint(0, len(file.content))
    rest = bytes(len(file.content) - kept) if rng.random() < 0.5 else b""
    return bytes(file.content[:kept]) + rest
