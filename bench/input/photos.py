"""Photographs of any size, made from real ones, to be decoded.

An enlarged photograph has no fine detail, which flatters whoever throws detail away. So nothing is
ever enlarged here. A *shot* is one camera photograph, reduced to the size asked for. A *mosaic* is
cut from many at their own pixels, with hard seams, and sensor grain is added: harsher than life.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import skimage
import sklearn.datasets
from PIL import Image

SHIPPED: Final = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
"""Colour photographs inside scikit-image; scikit-learn has two more."""
CAMERA: Final = (
    "Aqua.jpg",
    "Blinds.jpg",
    "Bridge_by_Sander_Klootwijk.jpg",
    "Dragonfly_by_Bolly.jpg",
    "Dune.jpg",
    "Garden.jpg",
    "Kleiber_by_Lukas_Baubkus.jpg",
    "LadyBird.jpg",
    "Picture_0B_by_freespace.jpg",
    "RainDrops.jpg",
    "Storm.jpg",
    "TwoWings.jpg",
    "Wine_by_Jakkub_Mede.jpg",
    "Wood.jpg",
    "YellowFlower.jpg",
    "aitzgorri_by_Aitzol_Berasategi.jpg",
    "free_by_Peter_Nerlich.jpg",
    "friends_by_Aitzol_Berasategi.jpg",
    "greentock_by_Peter_Nerlich.jpg",
    "life_by_Aitzol_Berasategi.jpg",
    "picosdeeuropa_by_Aitzol_Berasategi.jpg",
    "seeding_by_Clements_Engelhardt.jpg",
    "sunset_by_Aitzol_Berasategi.jpg",
)
"""Photographs of a camera, of 2 to 20 MP, in Debian's packages mate-backgrounds and
lomiri-wallpapers-16.04 and -20.04. All else in them is drawn."""
GRAIN_LEVELS: Final = (3.0, 1.5)
"""Standard deviation of a grain that all channels share, and of one that each has of its own."""
ASPECT: Final = 1.5
TILES_ACROSS: Final = 4
SMALLEST_TILE_PX: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """Encoding of a file: Pillow's format, and for JPEG its quality and subsampling."""

    format: str
    quality: int = 90
    subsampling: str = "4:2:0"

    @property
    def name(self) -> str:
        if self.format == "PNG":
            return "PNG"
        chroma = f" {self.subsampling}" if self.format == "JPEG" else ""
        return f"{self.format} q{self.quality}{chroma}"

    def write(self, picture: Image.Image, path: Path) -> None:
        if self.format == "PNG":
            picture.save(path, "PNG", compress_level=3)
        elif self.format == "WEBP":
            picture.save(path, "WEBP", quality=self.quality, method=2)
        else:
            picture.save(path, "JPEG", quality=self.quality, subsampling=self.subsampling)


@functools.cache
def sources(folder: Path | None) -> tuple[tuple[Image.Image, ...], tuple[Path, ...]]:
    """Return the photographs that packages ship, and the paths of the camera's in `folder`."""
    shipped = [Path(skimage.__file__).parent / "data" / name for name in SHIPPED]
    shipped += [Path(name) for name in sklearn.datasets.load_sample_images().filenames]
    camera = [path for name in CAMERA for path in folder.rglob(name)] if folder else []
    return tuple(Image.open(path).convert("RGB") for path in shipped), tuple(camera)


@functools.lru_cache(maxsize=6)
def decoded(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def size_of(megapixels: float, *, portrait: bool) -> tuple[int, int]:
    short = math.sqrt(megapixels * 1e6 / ASPECT)
    width, height = round(ASPECT * short), round(short)
    return (height, width) if portrait else (width, height)


def picture(folder: Path | None, number: int, megapixels: float) -> tuple[Image.Image, str]:
    """Make the picture of that number at that size, the same each time; return its kind too.

    Even numbers are shots where the camera's photographs are large enough, all others mosaics.
    Every fourth stands upright.
    """
    random = np.random.default_rng([number, round(1000 * megapixels)])
    size = size_of(megapixels, portrait=number % 4 == 3)
    shipped, camera = sources(folder)
    large = [p for p in camera if _covers(Image.open(p).size, size)]
    if number % 2 == 0 and large:
        return shot(decoded(large[number // 2 % len(large)]), size), "shot"
    return mosaic(shipped, camera, size, random), "mosaic"


def shot(photo: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return the middle of a photograph, reduced until it just covers the size."""
    scale = max(size[0] / photo.width, size[1] / photo.height)
    width, height = size[0] / scale, size[1] / scale
    # Rounding may put an edge outside by a hair.
    left, top = max(0.0, (photo.width - width) / 2), max(0.0, (photo.height - height) / 2)
    box = (left, top, min(photo.width, left + width), min(photo.height, top + height))
    return photo.resize(size, Image.Resampling.LANCZOS, box=box)


def mosaic(
    shipped: Sequence[Image.Image],
    camera: Sequence[Path],
    size: tuple[int, int],
    random: np.random.Generator,
) -> Image.Image:
    """Lay square tiles of photographs at their own pixels, side by side, under grain."""
    tile = max(SMALLEST_TILE_PX, max(size) // TILES_ACROSS)
    large: Sequence[Image.Image | Path] = [
        p for p in camera if _covers(Image.open(p).size, (tile, tile))
    ]
    if not large:
        tile, large = SMALLEST_TILE_PX, shipped
    # Few at a time: a camera's photograph takes 60 MB once it is decoded.
    chosen = [large[place] for place in random.choice(len(large), min(5, len(large)), False)]
    canvas = Image.new("RGB", size)
    for top in range(0, size[1], tile):
        for left in range(0, size[0], tile):
            source = chosen[int(random.integers(len(chosen)))]
            photo = decoded(source) if isinstance(source, Path) else source
            x = int(random.integers(photo.width - tile + 1))
            y = int(random.integers(photo.height - tile + 1))
            canvas.paste(photo.crop((x, y, x + tile, y + tile)), (left, top))
    return with_grain(canvas, random)


def with_grain(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """Add sensor noise, which no enlargement would have."""
    levels = np.asarray(photo).astype(np.float32)
    shared, own = GRAIN_LEVELS
    levels += shared * random.standard_normal((*levels.shape[:2], 1), dtype=np.float32)
    levels += own * random.standard_normal(levels.shape, dtype=np.float32)
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def _covers(photo: tuple[int, int], size: tuple[int, int]) -> bool:
    return photo[0] >= size[0] and photo[1] >= size[1]
