"""The linear classifier of examples/linear_head, as it stands."""

import re
import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "linear_head" / "linear_head.py"


def test_a_linear_head_learns_the_classes_of_the_drawings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert runpy.run_path(str(EXAMPLE))["main"]([]) == 0
    trained, words = map(float, re.findall(r"([\d.]+)%", capsys.readouterr().out))
    assert trained > 60, "of five classes, from four pictures each"
    assert words > 80
