"""Workspace: the files of one model, and the pictures and texts that are embedded."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]
Modality = Literal["image", "text"]
Ids = Sequence[int]

MODALITIES: Final[tuple[Modality, ...]] = ("image", "text")
START, END = 49406, 49407


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Folder of one model, with the inputs that all contenders get."""

    model: str
    work: Path

    @property
    def folder(self) -> Path:
        return self.work / self.model

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint"

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def photo(self) -> Path:
        """JPEG file, for cold starts."""
        return self.work / "photo.jpg"

    def graph(self, kind: str, modality: Modality) -> Path:
        """Return a tower's file; kind: "plain", "dynamo", "dynamic", "nncf" or "nncf_ours"."""
        suffix = "xml" if kind.startswith("nncf") else "onnx"
        return self.folder / kind / f"{modality}.{suffix}"

    def ground_truth(self, modality: Modality) -> Path:
        """Return the file with unit rows of the original in float32."""
        return self.folder / f"truth_{modality}.npy"

    def pixels(self) -> U8:
        """Return pixels [B, S, S, 3], mapped."""
        found: U8 = np.load(self.work / "pixels.npy", mmap_mode="r")
        return found

    def strings(self) -> dict[tuple[int, ...], str]:
        """Return the texts by their ids."""
        texts = self._texts()
        captions = zip(texts["caption_ids"], texts["captions"], strict=True)
        full = zip(texts["full_ids"], texts["full_texts"], strict=True)
        return {tuple(ids): text for ids, text in (*captions, *full)}

    def caption_ids(self) -> list[list[int]]:
        """Return the ids of each caption, marks included."""
        return list(self._texts()["caption_ids"])

    def full_ids(self) -> list[list[int]]:
        """Return the ids of texts that fill the context."""
        return list(self._texts()["full_ids"])

    def _texts(self) -> dict[str, list]:
        return dict(json.loads((self.work / "texts.json").read_text(encoding="utf-8")))


def padded(rows: Sequence[Ids]) -> I64:
    """Return ids [B, T], padded to the longest."""
    ids = np.full((len(rows), max(map(len, rows))), END, dtype=np.int64)
    for row, found in zip(ids, rows, strict=True):
        row[: len(found)] = found
    return ids
