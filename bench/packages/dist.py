"""Files of a release, held to the commit that rows about them name."""

import subprocess
from pathlib import Path

from bench.harness.machine import commit
from bench.harness.paths import ROOT
from bench.packages.cross import wheel
from bench.packages.cross.sources import digest, of_others
from bench.packages.record import PAGE, RESULT


def packages(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the wheels and the sdists in a folder.

    Raises:
        SystemExit: one of them was not made of the sources that are checked out.
    """
    wheels, sdists = (sorted(folder.glob(f"*.{kind}")) for kind in ("whl", "tar.gz"))
    if others := of_others([*wheels, *sdists], digest(), wheel.MADE):
        raise SystemExit(
            f"in {folder}, not made of the sources at {commit()}, which the rows would name: "
            f"{', '.join(path.name for path in others)}; run: build, and delete the rest"
        )
    return wheels, sdists


def require_commit(wanted: str) -> None:
    """Refuse a checkout other than the commit that rows name.

    Raises:
        SystemExit: another commit is checked out, or files differ from it other than the record.
    """
    if (now := commit()) != wanted:
        raise SystemExit(f"{now} is checked out, and {wanted} was when this began")
    if changed := _uncommitted():
        raise SystemExit(
            f"not as at {wanted}, which rows would name: {', '.join(changed)}; commit them first"
        )


def _uncommitted() -> list[str]:
    """Return the files that are not as at the commit, but for those that `record` writes."""
    told = subprocess.run(
        ["git", "status", "--porcelain=1", "-z", "--untracked-files=all", "--no-renames"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    written = {path.relative_to(ROOT).as_posix() for path in (RESULT, PAGE)}
    # Two letters and a space are before each name.
    names = (entry[3:] for entry in told.split("\0") if entry)
    return [name for name in names if name not in written]
