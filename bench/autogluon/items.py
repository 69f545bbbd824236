"""Items that both sides get: paths of pictures, names, and wrong names. Imports next to nothing."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE: Final = "items.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """Paths of M drawings, their names, and a random wrong name of each."""

    images: list[str]
    texts: list[str]
    wrong: list[str]
    unseen: list[bool]
    """True for a concept of which no drawing and no word was trained on."""
    judged: list[int]
    """Places of the drawings whose pairs are judged; none where the weights are random."""

    @classmethod
    def read(cls, folder: Path) -> "Items":
        return cls(**json.loads((folder / FILE).read_text(encoding="utf-8")))

    def write(self, folder: Path) -> None:
        fields = {name: getattr(self, name) for name in self.__slots__}
        (folder / FILE).write_text(json.dumps(fields), encoding="utf-8")
