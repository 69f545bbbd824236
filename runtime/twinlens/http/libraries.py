"""Libraries of the extra that the service stands on."""

import importlib.util
from collections.abc import Iterable
from typing import Final

SERVICE: Final = ("httptools", "msgspec", "prometheus_client", "starlette", "uvicorn")
"""Modules of the extra `serve`."""


class LibraryMissingError(ImportError, ValueError):
    """A library that a command needs is not installed."""


def require_libraries(names: Iterable[str], *, extra: str, purpose: str) -> None:
    """Check that libraries are installed, before anything that imports them.

    Raises:
        LibraryMissingError: one is missing; the message has the cure.
    """
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise LibraryMissingError(
            f"{purpose} needs {', '.join(missing)}; pip install 'twinlens[{extra}]'"
        )
