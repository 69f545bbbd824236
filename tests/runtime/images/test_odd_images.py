from pathlib import Path

import numpy as np
import pytest
from odd_images import ODDITIES, Odd, Refused, tables

from twinlens import images
from twinlens.bundle.pixel_mode import PIXEL_MODES
from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.load import load

SPEC = ImageSpec(side_px=16)
DOCUMENT = Path(images.__file__).parent / "IMAGES.md"


@pytest.mark.parametrize("mode", PIXEL_MODES)
@pytest.mark.parametrize("odd", ODDITIES, ids=lambda odd: odd.given)
def test_of_every_odd_thing_comes_what_is_promised(odd: Odd, mode: str, tmp_path: Path) -> None:
    thing = odd.make(tmp_path)
    if isinstance(odd.outcome, Refused):
        with pytest.raises(ImageError, match=odd.outcome.message):
            load(thing, SPEC, mode=mode, read=odd.read)  # type: ignore[arg-type]
        return
    pixels = load(thing, SPEC, mode=mode, read=odd.read)  # type: ignore[arg-type]
    wanted = load(odd.outcome.picture(), SPEC)
    assert np.abs(pixels.astype(int) - wanted).max() <= odd.outcome.levels


def test_the_document_holds_the_whole_list() -> None:
    assert len(ODDITIES) >= 40
    assert DOCUMENT.read_text(encoding="utf-8").endswith(tables())
