"""Warm-up of an engine: the first request pays nothing, and costs are measured, not guessed."""

from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Final

import numpy as np

from twinlens.errors import MissingTowerError
from twinlens.serving.cost import Costs, Timed
from twinlens.serving.serving_model import ServingModel

TEXT: Final = "a photo of a dog"
SEVERAL_TEXTS: Final = 8
SEVERAL_IMAGES: Final = 2
REPETITIONS: Final = 3
ENOUGH_S: Final = 0.1
"""A call that takes this long is not repeated."""


def warm_up(model: ServingModel, costs: Costs) -> None:
    """Run every tower once, then measure runs of one item and of several."""
    model.warm_up()
    # A bundle of one tower has nothing of the other to measure.
    for measured in (_measure_texts, _measure_images):
        with suppress(MissingTowerError):
            measured(model, costs)


def _measure_texts(model: ServingModel, costs: Costs) -> None:
    tokens = model.tokenize([TEXT] * SEVERAL_TEXTS, on_cut="ignore")
    costs.text = Timed(
        one_s=_fastest(lambda: model.embed_tokens(tokens[:1])),
        several_s=_fastest(lambda: model.embed_tokens(tokens)),
        several=SEVERAL_TEXTS,
    ).cost(tokens.lengths[0])


def _measure_images(model: ServingModel, costs: Costs) -> None:
    pixels = np.stack([model.preprocess(np.zeros((8, 8, 3), dtype=np.uint8))] * SEVERAL_IMAGES)
    costs.image = Timed(
        one_s=_fastest(lambda: model.embed_pixels(pixels[:1])),
        several_s=_fastest(lambda: model.embed_pixels(pixels)),
        several=SEVERAL_IMAGES,
    ).cost(1)


def _fastest(call: Callable[[], object]) -> float:
    """Return the seconds of the fastest of a few calls: a neighbour makes them slower only."""
    fastest = float("inf")
    for _ in range(REPETITIONS):
        start = perf_counter()
        call()
        fastest = min(fastest, perf_counter() - start)
        if fastest > ENOUGH_S:
            break
    return fastest
