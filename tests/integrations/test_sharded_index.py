"""Shards of an index answer as one index of all their rows does, or with an error."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import twinlens
from twinlens.index.filters import Filter
from twinlens.index.ids import IdsLike

ray = pytest.importorskip("ray", reason="needs the integrations extra")

from docstring_example import run_example  # noqa: E402

from twinlens.index.query import read_queries  # noqa: E402
from twinlens.integrations import sharded_index  # noqa: E402
from twinlens.integrations.sharded_index import ShardedIndex  # noqa: E402
from twinlens.integrations.shards import shard as module  # noqa: E402
from twinlens.integrations.shards.shard import IndexShard, ShardState  # noqa: E402

F32 = NDArray[np.float32]
WIDTH = 16
PHOTOS = [f"photo {number}" for number in range(300)]


def clustered(n_rows: int, seed: int) -> F32:
    """Rows with ties and near twins: copies, copies changed in their last bits, and zeros."""
    random = np.random.default_rng(seed)
    kinds = random.standard_normal((max(1, n_rows // 3), WIDTH)).astype(np.float32)
    rows = kinds[random.integers(len(kinds), size=n_rows)]
    rows *= random.choice(np.float32([1, 1, 1.0000001, 0.9999999, 3, 0]), size=(n_rows, 1))
    twins = random.random(n_rows) < 0.3
    bits = rows.view(np.int32)
    bits[twins, random.integers(WIDTH)] += random.integers(-3, 4, size=int(twins.sum()))
    return np.where(np.isfinite(rows), rows, 0)


def assert_same_hits(found: twinlens.Hits, wanted: twinlens.Hits) -> None:
    np.testing.assert_array_equal(found.rows, wanted.rows)
    np.testing.assert_array_equal(found.ids, wanted.ids)
    np.testing.assert_array_equal(found.cosines, wanted.cosines)
    assert found.ids.dtype == wanted.ids.dtype


def assert_same_ranges(found: twinlens.RangeHits, wanted: twinlens.RangeHits) -> None:
    np.testing.assert_array_equal(found.starts, wanted.starts)
    np.testing.assert_array_equal(found.rows, wanted.rows)
    np.testing.assert_array_equal(found.ids, wanted.ids)
    np.testing.assert_array_equal(found.cosines, wanted.cosines)


QUERIES = clustered(9, 3)


class LocalShards:
    """Shards in this process, asked as `ShardActors` asks its actors."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.shards = [IndexShard(folder, threads=1) for folder in folders]

    def __len__(self) -> int:
        return len(self.shards)

    def ask(self, method: str, *shared: object, own: Sequence[object]) -> list[Any]:
        pairs = zip(self.shards, own, strict=True)
        return [getattr(shard, method)(*shared, last) for shard, last in pairs]

    def change(self, shard: int, method: str, *arguments: object) -> ShardState:
        return getattr(self.shards[shard], method)(*arguments)

    def open(self) -> ShardedIndex:
        return ShardedIndex(self, self.ask("state", own=[None] * len(self)))  # type: ignore[arg-type]


class Pair:
    """One index in memory, and the same rows over shards."""

    def __init__(
        self, folder: Path, rows: F32, cuts: Sequence[int], ids: list[str] | None = None
    ) -> None:
        self.whole = twinlens.Index.build(rows, ids=ids, about={"model": "tiny"})
        self.folders = []
        named = None if ids is None else np.split(np.array(ids, dtype=object), cuts)
        with patch("os.fsync"):  # the most of the time, and no power is cut here
            for number, part in enumerate(np.split(rows, cuts)):
                place = folder / f"part-{number}.index"
                own = None if named is None else named[number].tolist()
                twinlens.Index.write(place, part, ids=own, about={"model": "tiny"})
                self.folders.append(place)
        self.sharded = LocalShards(self.folders).open()


@pytest.fixture
def numbered(tmp_path: Path) -> Pair:
    return Pair(tmp_path, clustered(600, 1), [100, 100, 420])


@pytest.fixture
def named(tmp_path: Path) -> Pair:
    return Pair(tmp_path, clustered(300, 2), [120, 200], PHOTOS)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_rows=st.integers(1, 90),
    cuts=st.lists(st.floats(0, 1), max_size=4),
    k=st.integers(1, 100),
    floor=st.sampled_from([-1.0, 0.0, 0.5, 0.99, 1.0]),
    share=st.sampled_from([None, 0.0, 0.1, 0.8]),
)
def test_shards_are_the_whole_index_whatever_the_ties(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    n_rows: int,
    cuts: list[float],
    k: int,
    floor: float,
    share: float | None,
) -> None:
    rows, random = clustered(n_rows, seed), np.random.default_rng(seed)
    queries = np.concatenate([rows[: n_rows // 2 : 3], clustered(3, seed + 1)])
    places = sorted(int(cut * n_rows) for cut in cuts)
    pair = Pair(tmp_path_factory.mktemp("shards"), rows, places)
    wanted = None if share is None else random.random(n_rows) < share
    assert_same_hits(
        pair.sharded.search(queries, k, filter=wanted), pair.whole.search(queries, k, filter=wanted)
    )
    assert_same_ranges(
        pair.sharded.search_within(queries, floor, filter=wanted),
        pair.whole.search_within(queries, floor, filter=wanted),
    )


def test_near_twins_differ_in_float64_alone() -> None:
    """The property above is about something: float32 cosines tie where float64 ones do not."""
    rows = clustered(90, 7)
    rows = rows[rows.any(axis=1)]
    unit = read_queries(rows, WIDTH).astype(np.float64)
    exact = np.sort(unit @ unit.T, axis=1)
    gaps = np.diff(exact, axis=1)
    assert ((gaps > 1e-12) & (np.diff(exact.astype(np.float32), axis=1) == 0)).sum() > 20


@pytest.mark.parametrize(
    "wanted",
    [
        np.arange(600) % 7 == 0,
        [419, 3, 420, 99, 100],
        np.array([0, 599]),
        np.zeros(600, dtype=bool),
        [],
        range(250, 300),
    ],
)
def test_a_filter_means_rows_of_all_shards(numbered: Pair, wanted: Filter) -> None:
    one, many = numbered.whole, numbered.sharded
    assert_same_hits(many.search(QUERIES, filter=wanted), one.search(QUERIES, filter=wanted))
    assert_same_ranges(
        many.search_within(QUERIES, -1, filter=wanted),
        one.search_within(QUERIES, -1, filter=wanted),
    )


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ([3, 600], r"row number 600 is not in the index"),
        ([-1], r"row number -1 is not in the index"),
        (["a"], r"got strings as ids, but the index has no ids"),
        ([0, 1] * 300, r"600 ids, one a row, are only 0 and 1"),
        (np.ones(599, dtype=bool), r"filter has shape \(599,\), wanted \(600,\)"),
        ([True, 3], r"filter item 1 is 3 of type int, wanted a bool"),
    ],
)
def test_a_filter_is_refused_as_by_the_index(numbered: Pair, wanted: Filter, error: str) -> None:
    for index in (numbered.whole, numbered.sharded):
        with pytest.raises((ValueError, TypeError), match=error):
            index.search(QUERIES, filter=wanted)


def test_a_question_that_means_nothing_is_refused_as_by_the_index(numbered: Pair) -> None:
    for index in (numbered.whole, numbered.sharded):
        with pytest.raises(ValueError, match="queries have width 3, but the index has width 16"):
            index.search(np.ones((2, 3)))
        with pytest.raises(ValueError, match="k is 0"):
            index.search(QUERIES, 0)
        with pytest.raises(ValueError, match=r"cosine is 1\.5, not between -1 and 1"):
            index.search_within(QUERIES, 1.5)


def test_ids_stay_and_name_their_shard(named: Pair) -> None:
    assert_same_hits(named.sharded.search(QUERIES, 30), named.whole.search(QUERIES, 30))
    wanted = ["photo 299", "photo 7", "photo 119", "photo 120"]
    assert named.sharded.shards_of(wanted).tolist() == [2, 0, 0, 1]
    assert_same_hits(
        named.sharded.search(QUERIES, filter=wanted), named.whole.search(QUERIES, filter=wanted)
    )
    with pytest.raises(twinlens.IdError, match="id 'photo 300' is not in the index"):
        named.sharded.shards_of(["photo 3", "photo 300"])


def test_rows_are_appended_and_removed_as_in_the_index(named: Pair) -> None:
    more, ids = clustered(40, 4), [f"new {number}" for number in range(40)]
    gone = ["photo 0", "photo 150", "new 39"]
    for index in (named.whole, named.sharded):
        index.add(more, ids)
        index.remove(gone)
        assert (len(index), index.n_rows) == (337, 340)
        with pytest.raises(twinlens.IdError, match="'photo 150' is not in the index"):
            index.remove(["photo 1", "photo 150"])
    assert named.sharded.shards_of(["new 0", "photo 1"]).tolist() == [2, 0]
    for sharded in (named.sharded, LocalShards(named.folders).open()):
        assert_same_hits(sharded.search(QUERIES, 50), named.whole.search(QUERIES, 50))


def test_an_empty_shard_takes_rows_with_ids(tmp_path: Path) -> None:
    pair = Pair(tmp_path, clustered(20, 1), [20], PHOTOS[:20])
    for index in (pair.whole, pair.sharded):
        index.add(clustered(5, 2), PHOTOS[20:25])
    assert pair.sharded.shards_of(["photo 24", "photo 0"]).tolist() == [1, 0]
    assert_same_hits(pair.sharded.search(QUERIES, 25), pair.whole.search(QUERIES, 25))


@pytest.mark.parametrize(
    ("ids", "error"),
    [
        (["photo 3"], "id 'photo 3' is in shard 0 already"),
        (["photo 299"], "photo 299"),
        ([5], "got integers as ids, but the index has strings"),
        (None, "got no ids, but the index has strings"),
    ],
)
def test_an_id_is_added_once(named: Pair, ids: IdsLike | None, error: str) -> None:
    with pytest.raises(twinlens.IdError, match=error):
        named.sharded.add(clustered(1, 5), ids)
    assert named.sharded.n_rows == 300


def test_an_id_in_two_shards_is_told(named: Pair) -> None:
    twinlens.Index.open(named.folders[2]).add(clustered(1, 6), ["photo 3"])
    with pytest.raises(twinlens.IdError, match="'photo 3' is in shard 0 and in shard 2"):
        LocalShards(named.folders).open().search(QUERIES, filter=["photo 3"])


def test_shards_that_differ_are_refused(named: Pair, tmp_path: Path) -> None:
    narrow, other = tmp_path / "narrow.index", tmp_path / "other.index"
    twinlens.Index.write(narrow, clustered(5, 1)[:, :8], about={"model": "tiny"})
    twinlens.Index.write(other, clustered(2, 1), ids=["a", "b"], about={"model": "large"})
    for place, error in (
        (narrow, "shard 1 has width 8, others 16"),
        (other, "shard 1 has about {'model': 'large'}, others {'model': 'tiny'}"),
    ):
        with pytest.raises(twinlens.IndexFileError, match=error):
            LocalShards([named.folders[0], place]).open()


def open_in_actors(folders: Sequence[Path]) -> ShardedIndex:
    return ShardedIndex.open(folders, num_cpus=0)


@pytest.fixture(scope="module")
def acting(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    pair = Pair(tmp_path_factory.mktemp("acting"), clustered(400, 2), [300])
    pair.sharded = open_in_actors(pair.folders)
    yield pair
    pair.sharded.close()


@pytest.fixture
def lone(local_ray: None, tmp_path: Path) -> Iterator[Pair]:
    """One shard whose actor may be lost."""
    pair = Pair(tmp_path, clustered(60, 5), [])
    pair.sharded = open_in_actors(pair.folders)
    yield pair
    pair.sharded.close()


def test_actors_answer_as_the_index_does(acting: Pair) -> None:
    assert acting.sharded.starts.tolist() == [0, 300, 400]
    assert len(acting.sharded) == len(acting.whole) == 400
    assert dict(acting.sharded.about) == {"model": "tiny"}
    many = clustered(3000, 6)  # too many to be sent to each shard by itself
    assert_same_hits(acting.sharded.search(many, 20), acting.whole.search(many, 20))
    assert_same_hits(acting.sharded.search(QUERIES[0]), acting.whole.search(QUERIES[0]))
    assert_same_ranges(
        acting.sharded.search_within(QUERIES, 0.3), acting.whole.search_within(QUERIES, 0.3)
    )
    for wanted in (np.arange(400) % 3 == 0, [399, 0, 17]):
        assert_same_hits(
            acting.sharded.search(QUERIES, filter=wanted),
            acting.whole.search(QUERIES, filter=wanted),
        )


def end_in(index: ShardedIndex, shard: int, function: str) -> None:
    """Let the process of a shard end the next time it comes to a function."""

    def plant(_: IndexShard) -> None:
        setattr(module, function, lambda *_, **__: os._exit(1))

    ray.get(index._actors._actors[shard].__ray_call__.remote(plant))


def pid_of(index: ShardedIndex, shard: int) -> int:
    """Process of a shard, waited for if it is just starting anew."""
    ask = index._actors._actors[shard].__ray_call__.options(max_task_retries=-1)
    return ray.get(ask.remote(lambda _: os.getpid()))


def test_a_shard_that_ends_while_it_searches_is_opened_anew_and_answers(acting: Pair) -> None:
    before = pid_of(acting.sharded, 1)
    end_in(acting.sharded, 1, "topk_rows")
    assert_same_hits(acting.sharded.search(QUERIES, 50), acting.whole.search(QUERIES, 50))
    assert pid_of(acting.sharded, 1) != before
    end_in(acting.sharded, 0, "range_rows")
    assert_same_ranges(
        acting.sharded.search_within(QUERIES, 0.2), acting.whole.search_within(QUERIES, 0.2)
    )


def test_a_shard_killed_again_and_again_never_makes_an_answer_short(acting: Pair) -> None:
    wanted, killed = acting.whole.search(QUERIES, 400), []

    def kill() -> None:
        for shard in (0, 1, 0):
            killed.append(pid_of(acting.sharded, shard))
            os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    whole = 0
    while killer.is_alive() or not whole:
        with contextlib.suppress(twinlens.ShardError):
            assert_same_hits(acting.sharded.search(QUERIES, 400), wanted)
            whole += 1
    killer.join()
    assert len(set(killed)) == 3


def test_a_shard_that_does_not_answer_in_time_is_an_error(
    acting: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting.sharded.search(QUERIES)  # the first call of an actor takes longer
    stopped = pid_of(acting.sharded, 1)
    monkeypatch.setattr(acting.sharded._actors, "_timeout_s", 3.0)
    os.kill(stopped, signal.SIGSTOP)
    with pytest.raises(twinlens.ShardError, match=r"shard 1, .* did not answer within 3(\.0)? s"):
        acting.sharded.search(QUERIES)
    os.kill(stopped, signal.SIGCONT)


def test_a_shard_that_is_gone_is_an_error(lone: Pair) -> None:
    ray.kill(lone.sharded._actors._actors[0])
    with pytest.raises(twinlens.ShardError, match=r"shard 0, .*part-0.index, ended before it"):
        lone.sharded.search(QUERIES)
    with pytest.raises(twinlens.ShardError, match="shard 0"):
        lone.sharded.search_within(QUERIES, 0)


def test_a_shard_that_has_changed_when_it_comes_back_is_an_error(lone: Pair) -> None:
    end_in(lone.sharded, 0, "topk_rows")
    twinlens.Index.write(lone.folders[0], clustered(50, 8))
    with pytest.raises(twinlens.ShardError, match="shard 0 has 50 rows, and had 60 of its files"):
        lone.sharded.search(QUERIES)


def test_a_folder_that_is_gone_when_its_shard_comes_back_is_an_error(lone: Pair) -> None:
    end_in(lone.sharded, 0, "range_rows")
    lone.folders[0].rename(lone.folders[0].with_name("moved"))
    with pytest.raises(FileNotFoundError, match=r"part-0\.index"):
        lone.sharded.search_within(QUERIES, 0)


def test_a_shard_that_ends_while_it_appends_does_not_append_twice(lone: Pair) -> None:
    end_in(lone.sharded, 0, "cpu_engine")  # the rows are committed by then
    with pytest.raises(twinlens.ShardError, match="shard 0"):
        lone.sharded.add(clustered(5, 9))
    assert twinlens.Index.open(lone.folders[0]).n_rows == 65


def test_the_example_runs(local_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = twinlens.load("demo")
    monkeypatch.chdir(tmp_path)
    rows = model.embed_texts(["a dog", "a red apple", "a green apple"])
    twinlens.Index.write("part-0.index", rows[:1], ids=["dog"])
    twinlens.Index.write("part-1.index", rows[1:], ids=["apple", "green"])
    names = run_example(sharded_index, {"model": model})
    assert names["hits"].ids.tolist() == [["apple", "green", "dog"]]
    names["index"].close()
    with pytest.raises(twinlens.IndexFileError, match="is no twinlens index"):
        ShardedIndex.open([tmp_path])
    with pytest.raises(ValueError, match="there is no shard"):
        ShardedIndex.open([])
