"""Rows of an int8 bundle: the same to the bit by every instruction set that runs here.

TWINLENS_TEST_BUNDLE names another bundle, for one with towers of another shape.
"""

import os
from pathlib import Path

import pytest
from rows_by_each_set import different, rows_by_each_set

from twinlens_kernels import operators

BUNDLE = os.environ.get("TWINLENS_TEST_BUNDLE", "demo")


@pytest.mark.skipif(len(operators.runnable()) < 2, reason="one set of operators runs here, or none")
def test_all_sets_give_the_same_bits(tmp_path: Path) -> None:
    assert list(different(rows_by_each_set([(BUNDLE, "int8")], tmp_path))) == []


def test_the_set_that_serves_runs_here() -> None:
    assert set(operators.runnable()) <= set(operators.PATHS)
    assert operators.path() in {*operators.runnable(), None}
