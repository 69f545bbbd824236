"""Compiled parts of this package: missing, damaged or ready to be loaded."""

import importlib
import logging
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

MODULE: Final = "twinlens_kernels._native"


def module_path() -> Path | None:
    """Return the file of the compiled module; None where no compiler was found at installation."""
    spec = find_spec(MODULE)
    return None if spec is None or spec.origin is None else Path(spec.origin)


def require_whole(library: Path) -> None:
    """Check that a library was not cut while it was copied: loading one ends the process.

    The section headers of an ELF file are at its end, and its first 64 bytes tell where. A library
    of another format or word size is left to the loader.

    Raises:
        OSError: it was cut, or cannot be read.
    """
    size = library.stat().st_size
    with library.open("rb") as file:
        head = file.read(64)
    if head[:6] != b"\x7fELF\x02\x01" or len(head) < 64:
        return
    (start,) = struct.unpack_from("<Q", head, 0x28)
    length, count = struct.unpack_from("<HH", head, 0x3A)
    if start + length * count > size:
        raise OSError(f"it has {size} bytes, wanted {start + length * count}; install it again")


def module_failure() -> str | None:
    """Import the compiled module; return the reason if it is there and cannot be loaded."""
    path = module_path()
    if path is None:
        return None
    try:
        require_whole(path)
        importlib.import_module(MODULE)
    except (ImportError, OSError) as error:
        return f"{path.name} cannot be loaded: {error}"
    return None


FAILURE: Final[str | None] = module_failure()
"""Reason why the compiled module, although it is there, does not serve; else None."""
NATIVE: Final[bool] = module_path() is not None and FAILURE is None
"""True if the compiled module serves."""

if FAILURE is not None:
    logger.warning("numpy serves in place of the compiled kernels, slower: %s", FAILURE)
