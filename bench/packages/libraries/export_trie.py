"""Names that a Mach-O file exports, from which macOS looks them up.

They lie in a tree whose edges are parts of names, in the bytes of `LC_DYLD_INFO` or
`LC_DYLD_EXPORTS_TRIE`. A node has the size of its facts about the name that ends there, 0 if none
does; then the facts; the number of its edges; and of each the part, a zero byte and the offset of
the other node. Numbers have seven bits a byte, the lowest first.
"""

from collections.abc import Iterator


def names(trie: bytes, start: int = 0, before: bytes = b"") -> Iterator[str]:
    """Give the names below a node; no bytes have none."""
    if not trie:
        return
    size, at = _number(trie, start)
    if size:
        yield before.decode()
    at += size
    edges, at = trie[at], at + 1
    for _ in range(edges):
        end = trie.index(b"\0", at)
        part = trie[at:end]
        child, at = _number(trie, end + 1)
        yield from names(trie, child, before + part)


def _number(trie: bytes, at: int) -> tuple[int, int]:
    """Return a number and where the next thing begins."""
    value = shift = 0
    while True:
        value |= (trie[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not trie[at - 1] & 0x80:
            return value, at
