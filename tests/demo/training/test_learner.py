"""The loss and the optimizers."""

import numpy as np
import torch
from torch.nn import functional

from twinlens_demo.training.learner import Learner, multi_label_cross_entropy, optimizers


def test_one_right_answer_a_row_is_plain_cross_entropy() -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    answers = torch.tensor([0, 3, 1, 1, 2, 0])
    right = functional.one_hot(answers, 4).float()
    torch.testing.assert_close(
        multi_label_cross_entropy(logits, right), functional.cross_entropy(logits, answers)
    )


def test_several_right_answers_share_the_row_and_a_row_without_one_does_not_count() -> None:
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    right = torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    logs = logits.log_softmax(dim=1)
    wanted = -((logs[0, 0] + logs[0, 2]) / 2 + logs[2, 3]) / 2
    torch.testing.assert_close(multi_label_cross_entropy(logits, right), wanted)


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
