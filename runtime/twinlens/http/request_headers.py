"""Headers of a request, by name, without a walk through all of them for each."""

from collections.abc import Iterator, Mapping
from typing import Any

from starlette.types import Scope


class RequestHeaders(Mapping[str, str]):
    """First value of each header, by its name in lower case."""

    def __init__(self, scope: Scope) -> None:
        # From behind, so that of equal names the first one stays.
        self._values: dict[bytes, bytes] = dict(reversed([*scope["headers"]]))

    def __getitem__(self, name: str) -> str:
        return self._values[name.encode("latin-1")].decode("latin-1")

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401  as of a mapping
        """Return the value of a header, or the default."""
        found = self._values.get(name.encode("latin-1"))
        return default if found is None else found.decode("latin-1")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.encode("latin-1", "replace") in self._values

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._values)

    def __len__(self) -> int:
        return len(self._values)
