"""Cases to be timed, and the comparisons that they belong to."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from bench.towers.contenders import CONTENDERS, Contender
from bench.towers.inputs.workspace import U8, Ids, Modality, Workspace

What = Literal["image", "full text", "caption"]

MANY: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Batch of B items of one kind; the log and the results call it a cell."""

    what: What
    batch: int

    def __str__(self) -> str:
        return f"{self.what.replace(' ', '-')}-{self.batch}"

    @property
    def modality(self) -> Modality:
        return "image" if self.what == "image" else "text"

    @property
    def calls(self) -> int:
        """Calls in a round, each on other items: one item alone takes so little."""
        return {1: 4}.get(self.batch, 1)


CASES: Final = tuple(
    Case(what=what, batch=batch)
    for what, sizes in (
        ("image", (1, 32, MANY)),
        ("full text", (1, 32)),
        ("caption", (1, 32, MANY)),
    )
    for batch in sizes
)
BY_NAME: Final = {str(case): case for case in CASES}
PADDED: Final = ", padded to 77"
"""Suffix of a row: captions as a runtime of fixed length takes them."""
PADDED_ROWS: Final = frozenset({"onnxruntime, plain export"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One model on a number of threads, with its cases and its contenders."""

    model: str
    threads: int
    everyone: bool = False
    """All contenders take part, not only the core ones."""
    cases: Sequence[str] = ()
    without: frozenset[str] = frozenset()
    """Contenders left out although they are core: the slow ones, where a round takes minutes."""

    @property
    def modalities(self) -> list[Modality]:
        return sorted({BY_NAME[name].modality for name in self.cases})

    def contenders(self) -> list[Contender]:
        return [
            contender
            for contender in CONTENDERS
            if (self.everyone or contender.core) and contender.name not in self.without
        ]


COMPARISONS: Final = (
    Comparison(model="B32", threads=2, everyone=True, cases=tuple(BY_NAME)),
    Comparison(
        model="B32",
        threads=1,
        cases=("image-1", "image-32", "full-text-1", "full-text-32", "caption-1", "caption-32"),
    ),
    Comparison(model="B16", threads=2, cases=("image-1", "image-32")),
    Comparison(
        model="L14",
        threads=2,
        cases=("image-1", "image-32", "caption-32"),
        without=frozenset({"twinlens fp32, public call", "transformers eager", "bf16 autocast"}),
    ),
)


def questions(contender: Contender, case: Case) -> dict[str, dict[str, Any]]:
    """Return by the name of a row the question to this contender."""
    asked = {contender.name: asdict(case) | {"padded": False}}
    if case.what == "caption" and case.batch < MANY and contender.name in PADDED_ROWS:
        asked[contender.name + PADDED] = asdict(case) | {"padded": True}
    return asked


def items_of(workspace: Workspace, case: Case, *, padded: bool) -> U8 | list[Ids]:
    """Return all pixels or ids of the case's kind."""
    if case.what == "image":
        return workspace.pixels()
    if case.what == "full text":
        return workspace.full_ids()
    if not padded:
        return workspace.caption_ids()
    whole = len(workspace.full_ids()[0])
    return [[*row, *[row[-1]] * (whole - len(row))] for row in workspace.caption_ids()]
