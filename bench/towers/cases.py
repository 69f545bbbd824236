"""The cells: what is embedded, how many at a time, and who takes part."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from bench.towers.contenders import CONTENDERS, Contender
from bench.towers.inputs.workspace import U8, Ground, Ids, Side

What = Literal["image", "full text", "caption"]

MANY: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Items of one kind, B at a time."""

    what: What
    batch: int

    def __str__(self) -> str:
        return f"{self.what.replace(' ', '-')}-{self.batch}"

    @property
    def side(self) -> Side:
        return "image" if self.what == "image" else "text"

    @property
    def calls(self) -> int:
        """Calls in a round, each on other items: one item alone takes so little."""
        return {1: 4}.get(self.batch, 1)


CELLS: Final = tuple(
    Cell(what=what, batch=batch)
    for what, sizes in (
        ("image", (1, 32, MANY)),
        ("full text", (1, 32)),
        ("caption", (1, 32, MANY)),
    )
    for batch in sizes
)
BY_NAME: Final = {str(cell): cell for cell in CELLS}
PADDED: Final = ", padded to 77"
"""Of a row: captions as a runtime of fixed length takes them."""
PADDED_ROWS: Final = frozenset({"onnxruntime, plain export"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One model, a number of threads, and who is compared there."""

    model: str
    threads: int
    everyone: bool = False
    cells: Sequence[str] = ()

    without: frozenset[str] = frozenset()
    """Of those that would take part: the slow ones, where a round takes minutes."""

    @property
    def sides(self) -> list[Side]:
        return sorted({BY_NAME[name].side for name in self.cells})

    def contenders(self) -> list[Contender]:
        return [
            contender
            for contender in CONTENDERS
            if (self.everyone or contender.core) and contender.name not in self.without
        ]


FIELDS: Final = (
    Field(model="B32", threads=2, everyone=True, cells=tuple(BY_NAME)),
    Field(
        model="B32",
        threads=1,
        cells=("image-1", "image-32", "full-text-1", "full-text-32", "caption-1", "caption-32"),
    ),
    Field(model="B16", threads=2, cells=("image-1", "image-32")),
    Field(
        model="L14",
        threads=2,
        cells=("image-1", "image-32", "caption-32"),
        without=frozenset({"twinlens fp32, public call", "transformers eager", "bf16 autocast"}),
    ),
)


def questions(contender: Contender, cell: Cell) -> dict[str, dict[str, Any]]:
    """By the name of the row, what is asked of this contender."""
    asked = {contender.name: asdict(cell) | {"padded": False}}
    if cell.what == "caption" and cell.batch < MANY and contender.name in PADDED_ROWS:
        asked[contender.name + PADDED] = asdict(cell) | {"padded": True}
    return asked


def items_of(ground: Ground, cell: Cell, *, padded: bool) -> U8 | list[Ids]:
    if cell.what == "image":
        return ground.pixels()
    if cell.what == "full text":
        return ground.full_ids()
    if not padded:
        return ground.caption_ids()
    whole = len(ground.full_ids()[0])
    return [[*row, *[row[-1]] * (whole - len(row))] for row in ground.caption_ids()]
