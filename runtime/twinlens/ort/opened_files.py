"""Files of an open model, which a forked child opens again only if they are as they were."""

from collections.abc import Iterable
from pathlib import Path

from twinlens.errors import BundleError


class OpenedFiles:
    """Files as they were when a model was opened from them."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._signatures = {path.absolute(): signature(path) for path in paths}

    def require_unchanged(self) -> None:
        """Check that no file was changed, moved or removed.

        Raises:
            BundleError: one was.
        """
        for path, before in self._signatures.items():
            if signature(path) != before:
                raise BundleError(
                    f"{path} was changed after it was opened, and a forked process cannot "
                    "open it again; load the bundle in this process"
                )


def signature(path: Path) -> tuple[int, ...] | None:
    """Return numbers of a file that change with its content; None if it cannot be found."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
