"""Fair shares: of queues by weight, of bulk requests by turns, and the time until a queue ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_engine import request_of

from twinlens.serving.queueing.shares import WEIGHTS, FairShares, drain_s
from twinlens.serving.queueing.waiting import Waiting
from twinlens.serving.work import QUEUES, Item, QueueName, Request

TEXTS, IMAGES = QueueName("text", "interactive"), QueueName("image", "interactive")
BULK_TEXTS, BULK_IMAGES = QueueName("text", "bulk"), QueueName("image", "bulk")


@given(
    st.dictionaries(st.sampled_from(QUEUES), st.floats(0.01, 0.3), min_size=2),
    st.floats(-0.5, 0.5),
)
def test_queues_that_are_never_empty_share_by_weight(
    runs: dict[QueueName, float], wrong: float
) -> None:
    """Whatever a run of each takes, and though estimates are wrong until corrected."""
    shares, given_s = FairShares(), dict.fromkeys(runs, 0.0)
    for queue in runs:
        shares.arrive(queue)
    while sum(given_s.values()) < 200:
        queue = shares.order(runs)[0]
        shares.start(queue, runs[queue] * (1 + wrong))
        shares.correct(queue, -runs[queue] * wrong)
        given_s[queue] += runs[queue]
    total = sum(WEIGHTS[queue.priority] for queue in runs)
    for queue, seconds in given_s.items():
        fair = sum(given_s.values()) * WEIGHTS[queue.priority] / total
        assert abs(seconds - fair) < 0.31 * WEIGHTS[queue.priority] * len(runs) + 0.31


def test_a_process_that_was_stopped_leaves_its_texts_their_turn() -> None:
    shares = FairShares()
    for queue in (TEXTS, BULK_IMAGES):
        shares.arrive(queue)
    shares.start(TEXTS, 0.003)
    shares.correct(TEXTS, 3600.0)  # SIGSTOP, and an hour later SIGCONT
    waited_s = 0.0
    while shares.order([TEXTS, BULK_IMAGES])[0] == BULK_IMAGES:
        shares.start(BULK_IMAGES, 0.1)
        waited_s += 0.1
    assert waited_s < 0.25


def test_an_empty_queue_saves_no_share_up() -> None:
    shares = FairShares()
    shares.arrive(BULK_IMAGES)
    for _ in range(1000):
        shares.start(BULK_IMAGES, 0.1)
    shares.arrive(TEXTS)
    order = []
    for _ in range(90):
        queue = shares.order([TEXTS, BULK_IMAGES])[0]
        order.append(queue)
        shares.start(queue, 0.1)
    assert order[0] == TEXTS
    assert order.count(BULK_IMAGES) == 10


def test_of_equals_the_interactive_queue_is_served() -> None:
    assert FairShares().order([BULK_IMAGES, BULK_TEXTS, IMAGES, TEXTS]) == list(QUEUES)


@given(
    st.dictionaries(st.sampled_from(QUEUES), st.floats(0, 5), min_size=1),
    st.integers(1, 8),
)
def test_a_queue_drains_as_in_a_fluid(work: dict[QueueName, float], workers: int) -> None:
    """Against an integration in small steps."""
    left, now, ends = dict(work), 0.0, {}
    step = 2e-3
    while any(seconds > 0 for seconds in left.values()):
        active = [queue for queue, seconds in left.items() if seconds > 0]
        total = sum(WEIGHTS[queue.priority] for queue in active)
        for queue in active:
            left[queue] -= step * workers * WEIGHTS[queue.priority] / total
        now += step
        ends |= {q: now for q in active if left[q] <= 0}
    for queue in work:
        drained = drain_s(work, queue, workers=workers)
        assert drained == pytest.approx(ends.get(queue, 0), abs=6 * step)
        assert drained <= sum(work.values()) / workers + 1e-9


def test_bulk_requests_take_turns_and_interactive_ones_queue() -> None:
    for in_turns, wanted in ((True, "aabbaabbaaaaaa"), (False, "aaaaaaaaaabbbb")):
        waiting = Waiting(in_turns=in_turns)
        names = {}
        for name, n_items in (("a", 10), ("b", 4)):
            request, items = request_of(["image"] * n_items, now=0, seconds=0.5)
            waiting.add(request, items)
            names[request] = name
        order = ""
        while waiting:
            waiting.begin_run()
            for _ in range(2):
                if waiting.head() is not None:
                    order += names[waiting.take().request]
        assert order == wanted
        assert waiting.seconds == len(waiting) == 0


def test_a_small_bulk_request_passes_a_large_one_that_came_before() -> None:
    waiting = Waiting(in_turns=True)
    large, items = request_of(["image"] * 100, now=0)
    waiting.add(large, items)
    for _ in range(40):
        waiting.begin_run()
        assert waiting.head() is items[len(items) - len(waiting)]
        waiting.take()
    small, few = request_of(["image"] * 3, now=1)
    waiting.add(small, few)
    assert waiting.requests() == [large, small]
    order = []
    while waiting:
        waiting.begin_run()
        waiting.head()
        order.append(waiting.take().request)
    assert order[:6].count(small) == 3


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(1, 5)),
            st.tuples(st.just("run"), st.integers(1, 4)),
            st.tuples(st.just("drop"), st.integers(0, 9)),
        ),
        max_size=60,
    )
)
def test_the_turn_is_that_of_the_request_served_least(acts: list[tuple[str, int]]) -> None:
    """Beside a plain list that is searched each time."""
    waiting, clock = Waiting(in_turns=True), 0.0
    plain: dict[Request, list[Item]] = {}
    served: dict[Request, float] = {}
    for act, number in acts:
        if act == "add":
            request, items = request_of(["image"] * number, now=0, seconds=0.25)
            waiting.add(request, items)
            plain[request], served[request] = [*items], clock
        elif act == "drop" and number < len(plain):
            request = [*plain][number]
            waiting.drop(request)
            del plain[request]
        elif act == "run":
            waiting.begin_run()
            turn: Request | None = None
            for _ in range(number):
                if turn not in plain:
                    turn = min(plain, key=served.__getitem__, default=None)
                head = waiting.head()
                assert head is (plain[turn][0] if turn else None)
                if turn is None:
                    break
                assert waiting.take() is plain[turn].pop(0)
                clock = served[turn]
                served[turn] += 0.25
                if not plain[turn]:
                    del plain[turn]
        assert len(waiting) == sum(map(len, plain.values()))
        assert waiting.requests() == [*plain]


def test_a_large_interactive_request_is_passed_and_has_its_share() -> None:
    """Small ones that never cease get what one of the requests that wait is entitled to."""
    waiting = Waiting(in_turns=False)
    large, items = request_of(["text"] * 200, now=0, seconds=0.01)
    waiting.add(large, items)
    assert waiting.seconds_ahead(0.01) == pytest.approx(0.01)
    assert waiting.seconds_ahead(9) == pytest.approx(2)
    order, small = [], 0
    for _ in range(120):
        waiting.add(*request_of(["text"], now=0, seconds=0.01))
        waiting.begin_run()
        for _ in range(16):
            waiting.head()
            order.append(waiting.take().request)
            if order[-1] is not large or len(waiting) == 0:
                break
        small += order[-1] is not large
    own = order.count(large)
    assert small >= 100, "they pass it"
    assert own >= 16 * 5, "and it is not starved"
    assert [r for r in order if r is not large] == sorted(
        (r for r in order if r is not large), key=order.index
    )
    waiting.drop(large)
    assert waiting.seconds_ahead(0.01) == pytest.approx(waiting.seconds)
