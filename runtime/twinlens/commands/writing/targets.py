"""Places of output: each is refused before the long work, in one manner for all commands."""

import os
from pathlib import Path
from typing import Final

from twinlens.commands.parsing.misuse import MisuseError
from twinlens.errors import missing

STDOUT: Final = "-"


def require_file(out: Path, *, force: bool) -> None:
    """Refuse an output file that cannot be written, or that is there.

    Raises:
        FileExistsError: it exists, and `force` is False.
        FileNotFoundError: the folder that it would lie in does not exist.
        MisuseError: it is the standard output, a folder or a device.
        PermissionError: it or its folder cannot be written.
    """
    _refuse_stdout(out, "this output is a file of an image")
    if out.exists() and not out.is_file():
        raise MisuseError(f"--out {out} is a folder or a device; name a file")
    # A new file takes the place of the old one, so both must be free to change.
    place = out.resolve()
    if not place.parent.exists():
        raise missing(place.parent, "make the folder first, or name a file in another")
    if not os.access(place.parent, os.W_OK) or (place.exists() and not os.access(place, os.W_OK)):
        raise PermissionError(f"--out {out} cannot be written; name a file in a folder that can")
    if out.exists():
        require_force(out, force=force)


def require_folder(out: Path, names: tuple[str, ...], *, force: bool) -> None:
    """Refuse an output folder in which these files cannot be written, or are there.

    Raises:
        FileExistsError: one of the files exists, and `force` is False.
        MisuseError: the place is the standard output, a file or a device.
        PermissionError: the folder, or the one it would be made in, cannot be written.
    """
    _refuse_stdout(out, "this output is a folder")
    if out.exists() and not out.is_dir():
        raise MisuseError(f"--out {out} is a file or a device; name a folder")
    place = out.resolve()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise PermissionError(f"--out {out} cannot be written; name a folder in one that can")
    for name in names:
        if (out / name).exists():
            require_force(out / name, force=force)


def require_force(out: Path, *, force: bool) -> None:
    """Refuse to replace an output that is there, unless `force` is True.

    Raises:
        FileExistsError: it may not be replaced.
    """
    if not force:
        raise FileExistsError(f"{out} exists; replace it with --force, or name another place")


def _refuse_stdout(out: Path, reason: str) -> None:
    if str(out) == STDOUT:
        raise MisuseError(f"--out - is the standard output, but {reason}; name one")
