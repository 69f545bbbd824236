"""Device of a session, and its execution provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["cpu", "cuda"]

PROVIDERS: Final[Mapping[Kind, str]] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The CPU, or one CUDA device by its number."""

    kind: Kind
    number: int = 0

    def __str__(self) -> str:
        return "cpu" if self.kind == "cpu" else f"cuda:{self.number}"


CPU: Final = Device(kind="cpu")
