"""Keys of the callers, from a file with one a line."""

import hmac
from collections.abc import Iterable
from pathlib import Path
from typing import Final

LEAST_CHARACTERS: Final = 16
"""A shorter key can be guessed by one who may try."""


class KeyRing:
    """Keys of the callers; each of them opens.

    Raises ValueError or OSError where the file cannot be used.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._keys: tuple[bytes, ...] = self.read()

    def read(self) -> tuple[bytes, ...]:
        """Read the keys of the file; empty lines and those that begin with # are none.

        Raises:
            OSError: the file cannot be read.
            ValueError: it has no key, or one that is too short or no ASCII.
        """
        lines = [line.strip() for line in self._file.read_bytes().splitlines()]
        keys = tuple(line for line in lines if line and not line.startswith(b"#"))
        if not keys:
            raise ValueError(f"{self._file} has no key; write one a line")
        for number, key in enumerate(keys, 1):
            if len(key) < LEAST_CHARACTERS or not _is_printable(key):
                raise ValueError(
                    f"key {number} of {self._file} is not {LEAST_CHARACTERS} or more ASCII "
                    "letters, digits and signs without spaces; "
                    "make one with: openssl rand -hex 32"
                )
        return keys

    def replace(self, keys: tuple[bytes, ...]) -> None:
        """Take other keys from now on."""
        self._keys = keys

    def opens(self, key: bytes) -> bool:
        """Return True for a key of the ring, in a time that does not tell how near it came."""
        found = [hmac.compare_digest(key, known) for known in self._keys]
        return any(found)


def _is_printable(key: Iterable[int]) -> bool:
    return all(0x20 < byte < 0x7F for byte in key)
