"""A published figure, and the machine it was measured on."""

from dataclasses import dataclass
from typing import Any, Final

MACHINES: Final = {
    "Intel(R) Xeon(R) Processor": "Xeon, AMX",
    "AMD EPYC": "EPYC, AVX-512 VNNI, no AMX",
    "AMD EPYC, AVX2": "EPYC, AVX2",
}
"""Names of the machines, by the processor's name as results have it. All have two cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of one machine."""

    table: str
    row: str
    column: str
    machine: str
    value: float
    source: str
    """File of results."""
    commit: str
    """The oldest of the commits that measured the file."""
    date: str = ""
    """Day on which the file was recorded."""
    since: int = 0
    """Commits to the code that it measures, since then."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Distinct of each figure."""
        return self.table, self.row, self.column, self.machine


def machine_of(document: dict[str, Any]) -> str:
    """Return the name of the machine of a file of results."""
    processor = str(document.get("processor", "unknown"))
    return MACHINES.get(processor, processor)
