"""The tuning of a tower for int8."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens_export import tuning
from twinlens_export.checkpoint import Checkpoint
from twinlens_export.towers import text_graph


def test_a_tower_with_outliers_is_smoothed(
    demo_shaped: Checkpoint,
    ids_of: Callable[..., Any],
    with_outliers: Callable[[Any], Any],
    tmp_path: Path,
) -> None:
    spoilt = with_outliers(demo_shaped.text)
    found = tuning.tuned(spoilt, text_graph, [ids_of(demo_shaped)], tmp_path)
    scale = found.encoder.layers[0].mlp_norm.scale
    assert np.abs(scale).max() < 3 * np.median(np.abs(scale))
    assert not list(tmp_path.iterdir())


def test_a_tower_stays_as_it_is_where_smoothing_costs(
    demo_shaped: Checkpoint,
    ids_of: Callable[..., Any],
    with_outliers: Callable[[Any], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tuning, "smoothed", lambda tower, _: with_outliers(tower))
    found = tuning.tuned(demo_shaped.text, text_graph, [ids_of(demo_shaped)], tmp_path)
    assert found is demo_shaped.text
