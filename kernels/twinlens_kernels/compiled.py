"""Compiled parts of this package: missing, damaged or ready to be loaded."""

import importlib.machinery
import logging
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from twinlens_kernels.installation import ASKED, CURE, absence, is_pure, is_required
from twinlens_kernels.installation import NATIVE as REQUIREMENT

logger = logging.getLogger(__name__)

MODULE: Final = "twinlens_kernels._native"
FUNCTIONS: Final = (
    "Coded",
    "CodesAlone",
    "across",
    "cpu_features",
    "down",
    "encode",
    "estimate32",
    "estimate64",
    "hit_cosines",
    "paths",
    "pixels",
    "rescore",
    "taps",
    "topk",
    "topk_alone",
    "update_topk",
    "within",
    "within_alone",
)
"""Names that a compiled module of this version has."""
_STRING_TABLE: Final = b"\x03\0\0\0"
"""Type of the section with the names of the others (SHT_STRTAB)."""


def module_path() -> Path | None:
    """Return the file of the compiled module; None where there is none, or numpy is asked for."""
    if is_pure():
        return None
    spec = find_spec(MODULE)
    return None if spec is None or spec.origin is None else Path(spec.origin)


def require_whole(library: Path) -> None:
    """Check that a library was not cut while it was copied: loading one ends the process.

    The section headers of an ELF file are at its end, and its first 64 bytes tell where; one of
    them is of the table of their names. A library of another format or word size is left to the
    loader.

    Raises:
        OSError: it was cut, its end is lost, or it cannot be read.
    """
    size = library.stat().st_size
    with library.open("rb") as file:
        head = file.read(64)
        if head[:6] != b"\x7fELF\x02\x01" or len(head) < 64:
            return
        (start,) = struct.unpack_from("<Q", head, 0x28)
        length, count, names = struct.unpack_from("<HHH", head, 0x3A)
        if start + length * count > size:
            raise OSError(f"it has {size} bytes, wanted {start + length * count}; install it again")
        file.seek(start + length * names + 4)
        if count and file.read(4) != _STRING_TABLE:
            raise OSError("its end was lost, as when a disk is full; install it again")


def module_failure() -> str | None:
    """Import the compiled module; return the reason if it is there and does not serve."""
    path = module_path()
    if path is None:
        return None if is_pure() else _misfit()
    try:
        require_whole(path)
        module = importlib.import_module(MODULE)
    except Exception as error:  # noqa: BLE001  a damaged module may raise any
        return f"{path.name} cannot be loaded: {error}"
    lacking = [name for name in FUNCTIONS if not hasattr(module, name)]
    if lacking:
        return f"{path.name} is of another version and lacks {', '.join(lacking)}; install it again"
    return None


def _misfit() -> str | None:
    """Return the reason if there are compiled modules, but none that this Python would import."""
    found = sorted(
        path.name
        for path in Path(__file__).parent.glob(f"{MODULE.rpartition('.')[2]}.*")
        if path.suffix in {".so", ".pyd"}
    )
    if not found:
        return None
    wanted = importlib.machinery.EXTENSION_SUFFIXES[0]
    return f"{found[0]} is for another Python or system, this one wants *{wanted}; install it again"


FAILURE: Final[str | None] = module_failure()
"""Reason why the compiled module, although it is there, does not serve; else None."""
NATIVE: Final[bool] = module_path() is not None and FAILURE is None
"""True if the compiled module serves."""
REASON: Final[str | None] = None if NATIVE else FAILURE or absence()
"""Reason why numpy serves in place of the compiled module; None where that serves."""

if REASON is not None and is_required():
    raise ImportError(f"{REQUIREMENT}=required, but no compiled kernels serve: {REASON}; {CURE}")
if REASON is not None and not is_pure() and REASON != ASKED:
    logger.warning("numpy serves in place of the compiled kernels, slower: %s", REASON)
