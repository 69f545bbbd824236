"""Rows of an exported bundle alone and in a batch; the bundled model has no float32."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import twinlens
import twinlens_export
from twinlens.demo.samples import bundled_drawings
from twinlens_export.verification.samples import SampleFiles

pytestmark = pytest.mark.export


@pytest.fixture(scope="module")
def float32(
    folders: Callable[[str], Path],
    sample_files: SampleFiles,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    out = tmp_path_factory.mktemp("bundles") / "float32"
    return twinlens_export.export(
        folders("demo"), out, precisions=["fp32"], samples=sample_files
    ).folder


@pytest.mark.parametrize(("low_memory", "bound"), [(False, 0), (True, 1e-6)])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_row_of_float32_does_not_depend_on_its_batch(
    float32: Path, threads: int, low_memory: bool, bound: float
) -> None:
    model = twinlens.load(float32, device="cpu", threads=threads, low_memory=low_memory)
    pictures = [drawing.path for drawing in bundled_drawings()[:30]]
    texts = ["ab " * number for number in range(1, 10)]
    images, words = model.embed_images(pictures), model.embed_texts(texts)
    for rows, alone in (
        (images, [model.embed_images([picture]) for picture in pictures]),
        (words, [model.embed_texts([text]) for text in texts]),
    ):
        assert np.abs(np.concatenate(alone) - rows).max() <= bound
    # Two rows of one batch are enough for the order of the sums.
    pairs = [model.embed_images([picture, picture])[:1] for picture in pictures]
    np.testing.assert_array_equal(np.concatenate(pairs), images)
