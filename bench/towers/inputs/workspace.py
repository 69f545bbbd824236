"""Where everything of one model lies, and what is embedded: pictures, texts and their ids."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
Side = Literal["image", "text"]
Ids = Sequence[int]

SIDES: Final[tuple[Side, ...]] = ("image", "text")
MEAN: Final = np.array((0.48145466, 0.4578275, 0.40821073), dtype=np.float32)
STD: Final = np.array((0.26862954, 0.26130258, 0.27577711), dtype=np.float32)
START, END = 49406, 49407


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One model in a folder of its own, with the inputs that all contenders get."""

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
        """A JPEG file, for whoever starts from one."""
        return self.work / "photo.jpg"

    def graph(self, kind: str, side: Side) -> Path:
        """The file of a tower: kind is "plain", "dynamo", "dynamic", "nncf" or "nncf_ours"."""
        suffix = "xml" if kind.startswith("nncf") else "onnx"
        return self.folder / kind / f"{side}.{suffix}"

    def truth(self, side: Side) -> Path:
        """Unit rows of the original in float32."""
        return self.folder / f"truth_{side}.npy"

    def pixels(self) -> U8:
        """[B, S, S, 3], mapped."""
        found: U8 = np.load(self.work / "pixels.npy", mmap_mode="r")
        return found

    def strings(self) -> dict[tuple[int, ...], str]:
        """The texts by their ids."""
        texts = self._texts()
        captions = zip(texts["caption_ids"], texts["captions"], strict=True)
        full = zip(texts["full_ids"], texts["full_texts"], strict=True)
        return {tuple(ids): text for ids, text in (*captions, *full)}

    def caption_ids(self) -> list[list[int]]:
        """The ids of each caption, marks included."""
        return list(self._texts()["caption_ids"])

    def full_ids(self) -> list[list[int]]:
        """The ids of texts that fill the context."""
        return list(self._texts()["full_ids"])

    def _texts(self) -> dict[str, list]:
        return dict(json.loads((self.work / "texts.json").read_text(encoding="utf-8")))


def scaled(pixels: U8) -> F32:
    """[B, 3, S, S] as the checkpoint's processor makes it of [B, S, S, 3]."""
    values = (pixels.astype(np.float32) / np.float32(255) - MEAN) / STD
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def padded(rows: Sequence[Ids]) -> I64:
    """Ids [B, T], padded to the longest."""
    ids = np.full((len(rows), max(map(len, rows))), END, dtype=np.int64)
    for row, found in zip(ids, rows, strict=True):
        row[: len(found)] = found
    return ids


def unit(rows: F32) -> F32:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
