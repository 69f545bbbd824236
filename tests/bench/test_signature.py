"""Signature of a Mach-O file: of its content, or of another's."""

import hashlib
import struct

import pytest

from bench.packages.libraries.signature import holds

PAGE: int = 4096
CODE = bytes(range(256)) * 40
"""Two whole pages and a half."""


def signature(code: bytes, *, limit: int | None = None, kind: int = 2) -> bytes:
    """Sign code as a linker does."""
    limit = len(code) if limit is None else limit
    digests = [hashlib.sha256(code[i : i + PAGE]).digest() for i in range(0, len(code), PAGE)]
    name = b"twinlens\0"
    begin = 44 + len(name)
    length = begin + 32 * len(digests)
    directory = struct.pack(">4I", 0xFADE0C02, length, 0x20001, 2)
    directory += struct.pack(">5I", begin, 44, 0, len(digests), limit)
    directory += struct.pack(">4BI", 32, kind, 0, 12, 0) + name + b"".join(digests)
    return struct.pack(">5I", 0xFADE0CC0, 20 + length, 1, 0, 20) + directory


def test_a_signature_holds_for_its_content_alone() -> None:
    signed = signature(CODE)
    assert holds(CODE + signed, len(CODE), len(signed))
    changed = bytearray(CODE + signed)
    changed[5000] ^= 1
    assert not holds(bytes(changed), len(CODE), len(signed))


@pytest.mark.parametrize(
    "signed",
    [
        pytest.param(signature(CODE[:PAGE]), id="of less code"),
        pytest.param(signature(CODE, limit=PAGE), id="of a part"),
        pytest.param(signature(CODE, kind=1), id="by SHA-1 alone"),
        pytest.param(b"\0" * 64, id="none"),
    ],
)
def test_a_signature_of_anything_else_does_not_hold(signed: bytes) -> None:
    assert not holds(CODE + signed, len(CODE), len(signed))
