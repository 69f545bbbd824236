"""The inputs of the blocks: texts and pictures, and both as ids and pixels of twinlens."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from bench.portability.blocks import Rows
from twinlens import Model
from twinlens.bundle.bundle import Bundle
from twinlens.bundle.specs import Modality
from twinlens.demo.samples import Drawing, bundled_drawings
from twinlens_export.portable.normalization import normalization_of
from twinlens_export.verification.odd_texts import ODD_TEXTS

DRAWINGS: Final = 24
CROPS: Final = 9
GIVEN: Final = "given.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Inputs of the blocks."""

    texts: Sequence[str]
    pictures: Sequence[str]
    """Paths."""

    def rows(self, model: Model) -> dict[Modality, Rows]:
        """Return the rows of twinlens, by modality."""
        return {
            "image": model.embed_images(list(self.pictures)),
            "text": model.embed_texts(list(self.texts), on_cut="ignore"),
        }

    def write(self, bundle: Bundle, model: Model, folder: Path) -> None:
        """Write the files that the code before a block reads."""
        ids = model.tokenize(list(self.texts), on_cut="ignore").rows
        padded = np.full((len(ids), max(map(len, ids))), bundle.manifest.text.pad_id, np.int64)
        for row, one in zip(padded, ids, strict=True):
            row[: len(one)] = one
        known = normalization_of(bundle)
        mean, std = (np.asarray(part, np.float32) for part in (known.mean, known.std))
        levels = np.stack([model.preprocess(picture) for picture in self.pictures])
        floats = (levels.astype(np.float32) * np.float32(known.factor) - mean) / std
        pixels = np.ascontiguousarray(floats.transpose(0, 3, 1, 2))
        for name, array in (("ids", padded), ("pixels", pixels)):
            np.save(folder / f"{name}.npy", array)
            (folder / f"{name}.bin").write_bytes(array.tobytes())
        document = {
            "texts": self.texts,
            "pictures": self.pictures,
            "ids": padded.shape,
            "pixels": pixels.shape,
        }
        (folder / GIVEN).write_text(json.dumps(document), encoding="utf-8")


def make_given(folder: Path) -> Given:
    """Write pictures into a folder: drawings on white, and crops of two photographs.

    The texts are captions, odd ones and long ones.
    """
    drawings, paths = bundled_drawings()[:DRAWINGS], []
    for number, picture in enumerate([*map(_on_white, drawings), *_crops()]):
        path = folder / f"{number:02}.png"
        picture.save(path)
        paths.append(str(path.absolute()))
    return Given(texts=[*(drawing.caption for drawing in drawings), *ODD_TEXTS], pictures=paths)


def _on_white(drawing: Drawing) -> Image.Image:
    with Image.open(drawing.path) as image:
        colours = image.convert("RGBA")
    white = Image.new("RGBA", colours.size, "white")
    return Image.alpha_composite(white, colours).convert("RGB")


def _crops() -> list[Image.Image]:
    """Return crops of photographs, none of them square."""
    photos = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    boxes = [(40 * n, 20 * n, 40 * n + 250, 20 * n + 180 + 8 * n) for n in range(CROPS)]
    return [photo.crop(box) for box in boxes for photo in photos]
