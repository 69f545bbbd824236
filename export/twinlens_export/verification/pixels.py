"""The pixels of the runtime, compared with those of the checkpoint's own image processor."""

import logging
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from twinlens.errors import quoted
from twinlens.images.load import load
from twinlens_export.architecture import F32
from twinlens_export.checkpoint_pair import PairPreparation
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.checkpoints.kinds.naflex import NaflexPreparation
from twinlens_export.checkpoints.loaded import ReferencePreparation
from twinlens_export.checkpoints.open_clip.loader import OpenClipPreparation
from twinlens_export.errors import AgreementError
from twinlens_export.presence import there
from twinlens_export.verification.odd_images import odd_images

logger = logging.getLogger(__name__)

LEVELS: Final = 2
"""Largest difference of a pixel, of 255 levels: the first pass of a resize rounds to whole levels,
and the second may magnify the rounding."""
ROUNDING: Final = 1e-3
"""Levels that a processor's floats may be off a whole level: float32 arithmetic on the way to mean
and standard deviation and back gives some 2e-5."""
MODES: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"})
"""Modes of eight bits or less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDifference:
    """A difference of pixels that is meant."""

    name: str
    reason: str
    explains: Callable[[Image.Image, Checkpoint], bool]
    """Return True if an image has it."""


def _of_images(checkpoint: Checkpoint) -> ReferencePreparation:
    """Return the preparation of images: in a pair, that of the image tower's checkpoint."""
    preparation = checkpoint.preparation
    return preparation.image if isinstance(preparation, PairPreparation) else preparation


def _is_transparent(image: Image.Image, _: Checkpoint) -> bool:
    return "A" in image.getbands() or "transparency" in image.info


def _is_deep(image: Image.Image, _: Checkpoint) -> bool:
    return image.mode not in MODES


def _is_converted_late(image: Image.Image, checkpoint: Checkpoint) -> bool:
    other_colours = image.mode in {"1", "P", "CMYK", "YCbCr"}
    return other_colours and isinstance(_of_images(checkpoint), OpenClipPreparation)


def _is_tall(image: Image.Image, checkpoint: Checkpoint) -> bool:
    processor = type(getattr(_of_images(checkpoint), "processor", None)).__name__
    other_order = int(PIL.__version__.split(".")[0]) < 13 or not processor.endswith("Pil")
    return image.height > image.width and other_order


def _is_unconverted(image: Image.Image, checkpoint: Checkpoint) -> bool:
    processor = getattr(_of_images(checkpoint), "processor", None)
    converts = bool(getattr(processor, "do_convert_rgb", None))
    return image.mode != "RGB" and processor is not None and not converts


def _has_other_grid(image: Image.Image, checkpoint: Checkpoint) -> bool:
    preparation = _of_images(checkpoint)
    return isinstance(preparation, NaflexPreparation) and preparation.keeps_proportions(image)


NAMED: Final = (
    NamedDifference(
        name="transparent pixels show the background",
        reason="open_clip shows colours that the file hides; transformers' white is the default",
        explains=_is_transparent,
    ),
    NamedDifference(
        name="images of 16 bits are scaled",
        reason="transformers and open_clip clip them, to white for the most part",
        explains=_is_deep,
    ),
    NamedDifference(
        name="images of other colours are converted to RGB before they are resized",
        reason="open_clip converts them afterwards, so that it has the nearest pixel of a palette",
        explains=_is_converted_late,
    ),
    NamedDifference(
        name="of tall images the height is resized first",
        reason="as Pillow 13 does; older versions and torchvision always begin with the width",
        explains=_is_tall,
    ),
    NamedDifference(
        name="images of other colours are converted to RGB",
        reason="some processors of transformers take their numbers as they are",
        explains=_is_unconverted,
    ),
    NamedDifference(
        name="images are scaled to a square",
        reason="SigLIP 2 NaFlex keeps their proportions, and a bundle has one grid of patches",
        explains=_has_other_grid,
    ),
)
"""All differences of pixels that are not refused. Beside them, the runtime converts an image to RGB
where the checkpoint's processor refuses one of another mode."""


def require_pixels(checkpoint: Checkpoint, images: Iterable[Image.Image]) -> None:
    """Refuse a preprocessing whose pixels are not those of the checkpoint's own processor.

    They are compared on the given images and on odd ones, after scaling and normalisation.

    Args:
        checkpoint: with the preprocessing of its images.
        images: samples.

    Raises:
        AgreementError: a pixel is more than LEVELS away, and no difference in NAMED explains it.
    """
    named, spec = set(), there(checkpoint.image_spec)
    for image in chain(images, odd_images(spec.side_px)):
        theirs = _own_levels(checkpoint, image)
        if theirs is None:
            continue
        ours = load(image, spec)
        levels = _distance(ours, theirs)
        if levels <= LEVELS + ROUNDING:
            continue
        name = next((known.name for known in NAMED if known.explains(image, checkpoint)), None)
        if name is None:
            raise AgreementError(
                f"the runtime's pixels of an image of {image.width} x {image.height} px in mode "
                f"{quoted(image.mode)} are {levels:.1f} levels of 255 from those of the "
                f"checkpoint's own image processor, wanted at most {LEVELS}; correct "
                "preprocessor_config.json (preprocess_cfg for OpenCLIP)"
            )
        named.add(name)
    for name in sorted(named):
        logger.info("pixels differ as named: %s", name)


def _distance(ours: NDArray[np.uint8], theirs: F32) -> float:
    """Return the largest difference in levels; infinite for other shapes, or NaN."""
    if ours.shape != theirs.shape:
        return float("inf")
    largest = float(np.abs(ours - theirs).max())
    return largest if np.isfinite(largest) else float("inf")


def _own_levels(checkpoint: Checkpoint, image: Image.Image) -> F32 | None:
    """Return the processor's floats as levels [S, S, 3], unrounded; None: it refuses the mode."""
    try:
        with warnings.catch_warnings(action="ignore"):
            values = checkpoint.preparation.pixels(image)
    except Exception as error:  # the libraries have no type in common
        if image.mode != "RGB":
            return None
        raise AgreementError(
            f"the checkpoint's own image processor fails on an image of {image.width} x "
            f"{image.height} px ({quoted(str(error))}); save it again with save_pretrained"
        ) from error
    if values.ndim != 3 or len(values) != 3:
        return values if image.mode == "RGB" else None
    normalization = checkpoint.image_tower.normalization
    mean, std = (
        np.array(part, np.float32)[:, None, None]
        for part in (normalization.mean, normalization.std)
    )
    levels: F32 = ((values * std + mean) / normalization.factor).transpose(1, 2, 0)
    return levels
