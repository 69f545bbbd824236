"""The tables of IMAGES.md: every line is loaded, in both modes."""

from pathlib import Path

import numpy as np
import pytest
from odd_images.catalogue import ODD_INPUTS, tables
from odd_images.odd_input import OddInput, Refused

from twinlens import images
from twinlens.bundle.pixel_mode import PIXEL_MODES
from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.load import load

SPEC = ImageSpec(side_px=16)
DOCUMENT = Path(images.__file__).parent / "IMAGES.md"


@pytest.mark.parametrize("mode", PIXEL_MODES)
@pytest.mark.parametrize("odd", ODD_INPUTS, ids=lambda odd: odd.given)
def test_every_input_gives_the_result_in_its_table(
    odd: OddInput, mode: str, tmp_path: Path
) -> None:
    image = odd.make(tmp_path)
    if isinstance(odd.outcome, Refused):
        with pytest.raises(ImageError, match=odd.outcome.message):
            load(image, SPEC, mode=mode, read=odd.read)  # type: ignore[arg-type]
        return
    pixels = load(image, SPEC, mode=mode, read=odd.read)  # type: ignore[arg-type]
    wanted = load(odd.outcome.image(), SPEC)
    assert np.abs(pixels.astype(int) - wanted).max() <= odd.outcome.levels


def test_the_document_has_the_whole_catalogue() -> None:
    assert len(ODD_INPUTS) >= 40
    assert DOCUMENT.read_text(encoding="utf-8").endswith(tables())
