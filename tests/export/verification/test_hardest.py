"""The samples that a further try at a tower is judged by."""

import numpy as np
import pytest
from numpy.typing import NDArray

from twinlens_export.verification import hardest
from twinlens_export.verification.hardest import Hardest, Wanted
from twinlens_export.verification.verify import Tolerance, cosines_of

Rows = NDArray[np.float32]
TOLERANCE = Tolerance(worst_cosine=0.99, top1=0.9)


def unit(rows: NDArray[np.float64]) -> Rows:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def wanted() -> Wanted:
    """Forty samples, of which the first thirty rank a gallery of twenty."""
    random = np.random.default_rng(5)
    gallery = unit(random.normal(size=(20, 16)))
    rows = unit(gallery[np.arange(40) % 20] + 0.1 * random.normal(size=(40, 16)))
    return Wanted(rows=rows, gallery=gallery, queries=range(30))


def spoilt(wanted: Wanted, far: list[int], misranked: list[int]) -> Rows:
    """Return the rows, some turned a little, and some onto the answer of another."""
    rows = wanted.rows.copy()
    turned = np.roll(wanted.rows, 1, axis=1)
    rows[far] = unit(wanted.rows[far] + 0.3 * turned[far].astype(np.float64))
    rows[misranked] = wanted.rows[np.array(misranked, int) + 1]
    return rows


def test_samples_too_far_or_ranked_otherwise_are_judged_again(wanted: Wanted) -> None:
    found = Hardest.of(spoilt(wanted, [3, 35], [8, 12, 20, 25]), wanted, TOLERANCE)
    far = np.flatnonzero(
        cosines_of(spoilt(wanted, [3, 35], [8, 12, 20, 25]), wanted.rows) < TOLERANCE.worst_cosine
    )
    assert {3, 35, 8, 12, 20, 25} == set(far.tolist())
    assert found.places.tolist() == sorted(far.tolist())
    assert {8, 12, 20, 25} <= set(found.misranked.tolist()) <= {3, 8, 12, 20, 25}
    asked: list[list[int]] = []

    def mended(places: NDArray[np.intp]) -> Rows:
        asked.append(places.tolist())
        return wanted.rows[places]

    assert found.seem_near(mended)
    assert asked == [found.places.tolist()]
    assert not found.seem_near(lambda places: spoilt(wanted, [35], [])[places])


def test_as_many_may_be_ranked_otherwise_as_the_tolerance_has(
    wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of thirty queries three; what half of the misranked show is taken for all."""
    tolerance = Tolerance(worst_cosine=-1, top1=0.9)
    misranked = [2, 4, 6, 8, 10, 12]
    rows = spoilt(wanted, [], misranked)
    for most in (17, 2):
        monkeypatch.setattr(hardest, "MOST", most)
        found = Hardest.of(rows, wanted, tolerance)
        assert found.n_misranked == 6
        assert len(found.misranked) == min(most, 6)
        half, whole = found.misranked[::2], found.misranked
        still = spoilt(wanted, [], half.tolist())
        assert found.seem_near(lambda places, still=still: still[places])
        still = spoilt(wanted, [], whole.tolist())
        assert not found.seem_near(lambda places, still=still: still[places])


def test_rows_of_nan_are_the_hardest(wanted: Wanted) -> None:
    rows = wanted.rows.copy()
    rows[[7, 38]] = np.nan
    found = Hardest.of(rows, wanted, TOLERANCE)
    assert found.places.tolist() == [7, 38]
    assert found.misranked.tolist() == [7]
    assert not found.seem_near(lambda places: rows[places])
    assert Hardest.of(wanted.rows, wanted, TOLERANCE).seem_near(lambda places: rows[places])
