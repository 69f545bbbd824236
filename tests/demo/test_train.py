"""The training's pure parts: the schedule, the encoding of captions and the loss."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from torch.nn import functional

from twinlens_demo.tokenizer import EOS
from twinlens_demo.train import (
    COOL_DOWN,
    SIDES,
    WARM_UP,
    Learner,
    _multi,
    encode,
    optimizers,
    rate,
    side_at,
)


def test_the_rate_warms_up_holds_and_falls_to_zero() -> None:
    assert rate(0) == 0
    assert rate(WARM_UP / 2) == pytest.approx(0.5)
    assert rate(WARM_UP) == rate(0.5) == rate(1 - COOL_DOWN) == 1
    assert rate(1 - COOL_DOWN / 2) == pytest.approx(0.5)
    assert rate(1) == 0


def test_the_rate_never_leaves_its_bounds_nor_rises_twice() -> None:
    rates = np.array([rate(progress) for progress in np.linspace(0, 1, 1001)])
    assert (rates >= 0).all()
    assert (rates <= 1).all()
    steps = np.sign(np.diff(rates.round(9)))
    assert (np.diff(steps[steps != 0]) != 0).sum() == 1


def test_the_pictures_grow_and_end_at_the_models_side() -> None:
    sides = [side_at(progress) for progress in np.linspace(0, 1, 101)]
    assert sides == sorted(sides)
    assert (sides[0], sides[-1]) == (SIDES[0][1], 64)
    assert side_at(SIDES[0][0]) == SIDES[1][1]


@pytest.mark.parametrize("length", [3, 8, 32])
def test_every_encoded_caption_ends_with_the_end_token(
    clip_tokenizer: Tokenizer, length: int
) -> None:
    end = clip_tokenizer.token_to_id(EOS)
    texts = ["", "dog", "the dog and the dog " * 9]
    ids = encode(clip_tokenizer, texts, length)
    assert ids.shape == (3, length)
    assert (ids[:, -1] == end).all()
    for row, text in zip(ids.tolist(), texts, strict=True):
        whole = clip_tokenizer.encode(text).ids
        kept = row.index(end)
        assert row[:kept] == whole[: min(len(whole) - 1, length - 1)]
        assert set(row[kept:]) == {end}


def test_one_right_answer_a_row_is_plain_cross_entropy() -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    answers = torch.tensor([0, 3, 1, 1, 2, 0])
    right = functional.one_hot(answers, 4).float()
    torch.testing.assert_close(_multi(logits, right), functional.cross_entropy(logits, answers))


def test_several_right_answers_share_the_row_and_a_row_without_one_does_not_count() -> None:
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    right = torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    logs = logits.log_softmax(dim=1)
    wanted = -((logs[0, 0] + logs[0, 2]) / 2 + logs[2, 3]) / 2
    torch.testing.assert_close(_multi(logits, right), wanted)


def test_every_parameter_is_optimised_once() -> None:
    anchors = np.random.default_rng(0).normal(size=(250, 384)).astype(np.float32)
    learner = Learner(anchors)
    held = [
        parameter
        for optimizer in optimizers(learner)
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]
    assert len(held) == len({id(parameter) for parameter in held})
    assert {id(parameter) for parameter in held} == {id(p) for p in learner.parameters()}
    assert learner.prototypes.shape == (250, 192)
