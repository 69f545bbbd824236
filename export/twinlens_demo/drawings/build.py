"""The rasterisation of every drawing set into one array."""

import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image

from twinlens_demo.concepts import Concept, code_of
from twinlens_demo.drawings.iconify import svg_of
from twinlens_demo.drawings.matching import matches
from twinlens_demo.packages import DRAWINGS

SIDE_PX = 72
RENDER_PX = 144


def build(modules: Path, concepts: Sequence[Concept], out: Path) -> None:
    """Write out/<set>.npz of every set; see `DrawingSet`."""
    out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        for name in DRAWINGS:
            target = out / f"{name}.npz"
            if target.exists():
                continue
            jobs = list(_jobs(name, modules, concepts))
            pixels = list(pool.map(_rasterised, (drawing for _, drawing in jobs), chunksize=16))
            np.savez(target, rows=np.array([row for row, _ in jobs]), pixels=np.stack(pixels))
            print(f"{name}: {len(jobs)} drawings of {len({row for row, _ in jobs})} concepts")


def _jobs(
    name: str, modules: Path, concepts: Sequence[Concept]
) -> Iterator[tuple[int, str | bytes]]:
    """Yield pairs of a concept number and a drawing: an SVG document, or the bytes of a WebP."""
    row_of = {concept.code: row for row, concept in enumerate(concepts)}
    folder = modules / DRAWINGS[name].package
    if name == "fluent-3d":
        # Its flags are not Microsoft's drawings: they are left out for their licence.
        for file in sorted((folder / "assets").glob("*.webp")):
            row = row_of.get(code_of(file.stem))
            if row is not None and concepts[row].group != "flags":
                yield row, file.read_bytes()
        return
    icons = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
    for icon, row in matches(name, icons, modules, concepts, row_of):
        yield row, svg_of(icons, icon)


def _rasterised(drawing: str | bytes) -> NDArray[np.uint8]:
    """Rasterise, crop to the ink and fit into a square: premultiplied RGBA."""
    if isinstance(drawing, str):
        drawing = bytes(
            resvg_py.svg_to_bytes(svg_string=drawing, width=RENDER_PX, skip_system_fonts=True)
        )
    image = Image.open(io.BytesIO(drawing)).convert("RGBA")
    box = image.getchannel("A").point(lambda alpha: 255 * (alpha > 8)).getbbox()
    if box is not None:
        image = image.crop(box)
    side = max(image.size)
    square = Image.new("RGBA", (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    premultiplied = square.convert("RGBa").resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    return np.asarray(premultiplied)
