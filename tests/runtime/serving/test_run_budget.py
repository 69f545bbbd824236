"""Budgets of runs, at their edges."""

import math

import pytest

from twinlens.serving.queueing.run_budget import (
    DEEP_S,
    LATELY_S,
    LEAST_S,
    LONG_S,
    MOST_ITEMS,
    MOST_TOKENS,
    SHORT_S,
    RunBudget,
    RunBudgets,
    is_long,
)
from twinlens.serving.work import Priority, QueueName, Run

TEXTS, IMAGES = QueueName("text", "interactive"), QueueName("image", "interactive")
BULK = QueueName("image", "bulk")


def run(*, long: bool) -> Run:
    return Run(queue=BULK, items=[], seconds=1, taken=0, worker=0, is_long=long)


def test_a_run_takes_up_to_its_bounds_and_any_single_item() -> None:
    budget = RunBudget(seconds=0.1, items=16)
    assert budget.takes(16, 0.1, MOST_TOKENS)
    assert budget.takes(2, 4 * 0.025, 0)
    assert not budget.takes(17, 0.1, MOST_TOKENS)
    assert not budget.takes(16, 0.1001, MOST_TOKENS)
    assert not budget.takes(16, 0.1, MOST_TOKENS + 1)
    assert budget.takes(1, 99.0, 10 * MOST_TOKENS)


@pytest.mark.parametrize(("queue", "own"), [(BULK, "text"), (BULK, "image"), (IMAGES, "text")])
def test_the_last_worker_takes_little_while_others_are_expected(queue: QueueName, own: str) -> None:
    budgets = RunBudgets(workers=2)
    budgets.arrive(own, now=10.0)
    budgets.start(run(long=True))
    last = RunBudget(seconds=SHORT_S, items=MOST_ITEMS[queue.kind], longest_item_s=LONG_S)
    assert budgets.of(queue, waiting_s=99, now=11.9) == last
    free = budgets.of(queue, waiting_s=99, now=10 + LATELY_S)
    assert (free.seconds, free.longest_item_s) == (LONG_S, math.inf)
    budgets.end(run(long=True))
    budgets.start(run(long=False))
    for waiting_s, seconds in ((2 * DEEP_S, SHORT_S), (2 * DEEP_S + 0.01, LONG_S)):
        found = budgets.of(queue, waiting_s=waiting_s, now=11)
        assert (found.seconds, found.longest_item_s) == (seconds, math.inf)


def test_a_single_worker_takes_little_too_but_any_one_item() -> None:
    budgets = RunBudgets(workers=1)
    budgets.arrive("text", now=0)
    found = budgets.of(BULK, waiting_s=99, now=1)
    assert (found.seconds, found.longest_item_s) == (SHORT_S, math.inf)


@pytest.mark.parametrize("priority", ["interactive", "bulk"])
def test_idle_workers_share_and_deep_queues_take_more(priority: Priority) -> None:
    budgets, queue = RunBudgets(workers=4), QueueName("image", priority)
    assert budgets.of(queue, waiting_s=0.08, now=0).seconds == 0.02
    assert budgets.of(queue, waiting_s=0.01, now=0).seconds == LEAST_S
    for _ in range(3):
        budgets.start(run(long=False))
    alone = SHORT_S if priority == "interactive" else LONG_S
    assert budgets.of(queue, waiting_s=4 * LONG_S, now=0).seconds == alone
    assert budgets.of(queue, waiting_s=4 * LONG_S + 0.01, now=0).seconds == LONG_S
    assert budgets.of(queue, waiting_s=0.02, now=0).seconds == 0.02


def test_one_image_is_no_long_run_and_more_of_them_are() -> None:
    assert not is_long(1, LONG_S)
    assert is_long(1, LONG_S * 1.001)
    assert not is_long(2, SHORT_S)
    assert is_long(2, SHORT_S * 1.001)
