"""Library of Windows."""

from typing import Any, Final

import pefile

from bench.packages.libraries.library import Library

_IMPORTS: Final = ("DIRECTORY_ENTRY_IMPORT", "DIRECTORY_ENTRY_DELAY_IMPORT")


def read(content: bytes) -> Library:
    """Return the facts of a PE file."""
    # Its attributes are made of the file's own structures.
    file: Any = pefile.PE(data=content)
    exports = getattr(file, "DIRECTORY_ENTRY_EXPORT", None)
    return Library(
        processor=pefile.MACHINE_TYPE[file.FILE_HEADER.Machine],
        imported=frozenset(
            entry.dll.decode() for table in _IMPORTS for entry in getattr(file, table, ())
        ),
        exported=frozenset(
            symbol.name.decode() for symbol in (exports.symbols if exports else ()) if symbol.name
        ),
        oldest="",
        relocated=False,
    )
