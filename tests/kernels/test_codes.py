"""8-bit codes keep their error bounds for every finite row."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from search_cases import F32, IMPLEMENTATIONS, KINDS, SEEDS, draw, served_by

from twinlens_kernels import Codes, encode


def encode_by(
    engine: str, rows: F32, *, centre: F32, residual: bool = False, threads: int = 1
) -> Codes:
    with served_by(engine):
        return encode(rows, centre=centre, residual=residual, threads=threads)


def squared(numbers: list[Fraction]) -> Fraction:
    return sum((number * number for number in numbers), Fraction(0))


def exactly(numbers: NDArray[np.generic]) -> list[Fraction]:
    return [Fraction(float(number)) for number in numbers]


def reaches(bound: np.float32, numbers: list[Fraction]) -> bool:
    return bool(np.isinf(bound)) or Fraction(float(bound)) ** 2 >= squared(numbers)


@pytest.mark.parametrize("engine", IMPLEMENTATIONS)
@settings(max_examples=25, deadline=None)
@given(
    kinds=KINDS,
    width=st.integers(1, 70),
    residual=st.booleans(),
    seed=SEEDS,
)
def test_the_terms_bound_what_the_codes_leave_in_exact_arithmetic(
    engine: str,
    kinds: tuple[int, int],
    width: int,
    residual: bool,
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    rows = draw(kinds[0], random, (4, width))
    centre = draw(kinds[1], random, (1, width))[0]
    coded = encode_by(engine, rows, centre=centre, residual=residual, threads=2)
    for at, row in enumerate(rows):
        whole = [int(code) - 128 for code in coded.codes[at]]
        assert whole[width:] == [0] * (len(whole) - width)
        terms = coded.terms[at]
        scale = Fraction(float(terms[0]))
        left = [
            x - c - scale * n for x, c, n in zip(exactly(row), exactly(centre), whole, strict=False)
        ]
        assert reaches(terms[1], left)
        assert reaches(terms[2], [scale * n for n in whole])
        if coded.residual is not None:
            second = [int(code) - 128 for code in coded.residual[at]]
            assert second[width:] == [0] * (len(second) - width)
            finer = Fraction(float(terms[3]))
            still = [e - finer * n for e, n in zip(left, second, strict=False)]
            assert reaches(terms[4], still)


@pytest.mark.parametrize("engine", IMPLEMENTATIONS)
def test_codes_are_close_to_the_rows(engine: str) -> None:
    random = np.random.default_rng(0)
    rows = (3 + random.standard_normal((100, 512))).astype(np.float32)
    coded = encode_by(engine, rows, centre=rows.mean(axis=0), residual=True)
    spread = np.linalg.norm(rows - rows.mean(axis=0), axis=1)
    assert (coded.terms[:, 1] < 0.012 * spread).all()
    assert (coded.terms[:, 4] < 6e-5 * spread).all()
    assert (np.abs(coded.terms[:, 2] / spread - 1) < 0.012).all()


@pytest.mark.parametrize("engine", IMPLEMENTATIONS)
def test_a_slice_of_codes_is_the_codes_of_a_slice(engine: str) -> None:
    random = np.random.default_rng(1)
    rows = random.standard_normal((40, 70)).astype(np.float32)
    coded = encode_by(engine, rows, centre=rows[0], residual=True, threads=3)[7:19]
    alone = encode_by(engine, rows[7:19], centre=rows[0], residual=True)
    assert len(coded) == 12
    np.testing.assert_array_equal(coded.codes, alone.codes)
    np.testing.assert_array_equal(coded.residual, alone.residual)
    np.testing.assert_array_equal(coded.terms, alone.terms)


@pytest.mark.parametrize("engine", IMPLEMENTATIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_row_that_is_not_finite_is_named(engine: str, bad: float) -> None:
    rows = np.ones((9000, 65), dtype=np.float32)
    rows[[5003, 8999], 64] = bad
    with pytest.raises(ValueError, match=f"rows row 5003 holds {bad}, wanted finite numbers"):
        encode_by(engine, rows, centre=rows[0], threads=3)
    with pytest.raises(ValueError, match="centre row 0 holds"):
        encode_by(engine, rows[:5], centre=rows[5003])


def test_codes_that_do_not_fit_each_other_are_refused() -> None:
    good = encode(np.eye(3, dtype=np.float32), centre=np.zeros(3, dtype=np.float32))
    with pytest.raises(ValueError, match="codes are 64 wide, wanted 128 for a centre of width 65"):
        Codes(codes=good.codes, terms=good.terms, centre=np.zeros(65, dtype=np.float32))
    with pytest.raises(ValueError, match=r"terms have shape \(3, 3\), wanted \(2, 3\)"):
        Codes(codes=good.codes[:2], terms=good.terms, centre=good.centre)
    with pytest.raises(ValueError, match=r"terms have shape \(3, 3\), wanted \(3, 5\)"):
        Codes(codes=good.codes, terms=good.terms, centre=good.centre, residual=good.codes)
    with pytest.raises(ValueError, match=r"centre has shape \(2,\), wanted \(3,\) as a row"):
        encode(np.eye(3, dtype=np.float32), centre=np.zeros(2, dtype=np.float32))
