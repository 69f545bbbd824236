"""Any sequence of changes and searches, against a list with brute-force search."""

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from numpy.typing import NDArray

from twinlens.errors import IdError
from twinlens.index.index import Index
from twinlens.index.storage import transaction
from twinlens.normalization import unit_rows
from twinlens_kernels import reference

WIDTH = 3
# So few numbers that equal rows, equal cosines and zero rows are frequent.
VECTORS = st.lists(
    st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=WIDTH, max_size=WIDTH
)  # fmt: skip
BATCHES = st.lists(VECTORS, max_size=6)
SEEDS = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Row:
    name: int | str
    unit: NDArray[np.float32]
    live: bool = True


def score(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the score of each pair of rows [N, D]."""
    return reference.halving_sum(left * right)


class IndexMachine(RuleBasedStateMachine):
    """Index, and a list as its model."""

    @initialize(
        kind=st.sampled_from(["none", "int64", "text"]),
        disk=st.booleans(),
        residual=st.booleans(),
        batch=BATCHES,
    )
    def build(self, kind: str, disk: bool, residual: bool, batch: list[list[float]]) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.kind, self.disk, self.rows, self.named = kind, disk, list[Row](), 0
        vectors, ids = self.joining(batch)
        if disk:
            self.index = Index.write(self.folder / "index", vectors, ids=ids, residual=residual)
        else:
            self.index = Index.build(vectors, ids=ids, residual=residual)

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def joining(
        self, batch: list[list[float]], again: tuple[int | str, ...] = ()
    ) -> tuple[NDArray[np.float64], list[int | str] | None]:
        """Append new rows to the list; their ids are reused ones, then new ones."""
        vectors = np.array(batch, dtype=np.float64).reshape(-1, WIDTH)
        names: list[int | str] = [*again][: len(vectors)]
        while len(names) < len(vectors):
            self.named += 1
            names.append(f"ü{self.named}" * (self.named % 3) or f"{self.named}")
            if self.kind == "int64":
                names[-1] = (-1) ** self.named * self.named * 10**12
        for name, vector in zip(names, vectors, strict=True):
            own = len(self.rows) if self.kind == "none" else name
            self.rows.append(Row(own, unit_rows(vector[None])[0]))
        return vectors, None if self.kind == "none" else names

    def living(self) -> list[int]:
        return [number for number, row in enumerate(self.rows) if row.live]

    @rule(batch=BATCHES, stream=st.booleans(), again=st.booleans())
    def add(self, batch: list[list[float]], stream: bool, again: bool) -> None:
        alive = {self.rows[number].name for number in self.living()}
        gone = tuple({row.name: None for row in self.rows if row.name not in alive})
        vectors, ids = self.joining(batch, gone if again and self.kind != "none" else ())
        if stream:
            self.index.add(iter([vectors[:2], vectors[2:]]), ids)  # type: ignore[arg-type]
        else:
            self.index.add(vectors, ids)  # type: ignore[arg-type]

    @precondition(lambda self: self.kind != "none" and self.living())
    @rule(seed=SEEDS)
    def add_twice(self, seed: int) -> None:
        taken = self.rows[self.some(seed, 1)[0]].name
        with pytest.raises(IdError, match="is in the index already"):
            self.index.add(np.ones((1, WIDTH)), [taken])  # type: ignore[list-item]

    @precondition(lambda self: self.kind != "none")
    @rule(batch=BATCHES, seed=SEEDS, stream=st.booleans())
    def update(self, batch: list[list[float]], seed: int, stream: bool) -> None:
        known = [self.rows[number].name for number in self.some(seed)]
        taken = set(known[: len(batch)])
        self.rows = [replace(row, live=row.live and row.name not in taken) for row in self.rows]
        vectors, ids = self.joining(batch, tuple(known))
        if stream:
            self.index.update(iter([(ids[:1], vectors[:1]), (ids[1:], vectors[1:])]))  # type: ignore[index]
        else:
            self.index.update(vectors, ids)  # type: ignore[arg-type]

    @rule(batch=BATCHES, size=st.integers(1, 4), broken=st.booleans())
    def write_one_at_a_time(self, batch: list[list[float]], size: int, broken: bool) -> None:
        vectors, ids = self.joining(batch)
        given = [None if ids is None else [name] for name in ids or vectors]
        with self.index.writer(size) as writer:
            for vector, name in zip(vectors, given, strict=True):
                writer.add(vector, name)  # type: ignore[arg-type]
                assert len(writer) < size
                if broken and name is not None:
                    with pytest.raises(IdError, match=r"is given twice|is in the index already"):
                        writer.add(vector, name)  # type: ignore[arg-type]

    @rule(batch=BATCHES, more=BATCHES, seed=SEEDS, disk=st.booleans())
    def merge(
        self, batch: list[list[float]], more: list[list[float]], seed: int, disk: bool
    ) -> None:
        others = []
        for number, part in enumerate((batch, more)):
            vectors, ids = self.joining(part)
            lost = np.random.default_rng(seed).random(len(part)) < 0.3
            for row in np.flatnonzero(lost):
                self.rows[row - len(part)] = replace(self.rows[row - len(part)], live=False)
            other = Index.build(vectors, ids=ids)  # type: ignore[arg-type]
            other.remove(other.ids[lost])
            if disk:
                other.save(self.folder / f"other {number}")
                other = Index.open(self.folder / f"other {number}")
            others.append(other)
        self.index.merge(*others)
        # Rows that were removed before the merge do not join.
        joined = self.rows[: len(self.rows) - len(batch) - len(more)]
        joined += [row for row in self.rows[len(joined) :] if row.live]
        if self.kind == "none":
            joined = [replace(row, name=number) for number, row in enumerate(joined)]
        self.rows = joined

    @rule(seed=SEEDS, size=st.integers(1, 5))
    def read_back(self, seed: int, size: int) -> None:
        alive = self.living()
        names = [self.rows[number].name for number in alive]
        assert self.index.ids.tolist() == names
        taken = list(self.index.blocks(size))
        assert all(len(ids) == len(rows) <= size for ids, rows in taken)
        assert np.concatenate([ids for ids, _ in taken]).tolist() == names
        units = np.array([self.rows[number].unit for number in alive]).reshape(-1, WIDTH)
        np.testing.assert_array_equal(np.concatenate([rows for _, rows in taken]), units)
        chosen = self.some(seed)
        chosen += chosen[:1] if len(chosen) > 1 else []
        wanted = [self.rows[number].name for number in chosen]
        if not {0, 1} >= set(wanted):  # it may be a mask
            found = self.index.get(wanted)  # type: ignore[arg-type]
            np.testing.assert_array_equal(found, [self.rows[number].unit for number in chosen])
        every = list(dict.fromkeys(row.name for row in self.rows))
        assert self.index.contains(every).tolist() == [name in set(names) for name in every]  # type: ignore[arg-type]
        assert all(name in self.index for name in names[:3])

    @rule(disk=st.booleans())
    def through_parquet(self, disk: bool) -> None:
        self.index.to_parquet(self.folder / "rows.parquet")
        path = self.folder / "read" if disk else None
        read = Index.from_parquet(self.folder / "rows.parquet", path)
        ours, theirs = ([*index.blocks(100)] for index in (self.index, read))
        for (ids, rows), (names, units) in zip(ours, theirs, strict=True):
            # Without ids, rows behind a removed one get a lower number, as by `compact`.
            wanted = list(range(len(ids))) if self.kind == "none" else ids.tolist()
            assert names.tolist() == wanted
            np.testing.assert_array_equal(units, rows)

    def some(self, seed: int, count: int | None = None) -> list[int]:
        """Some of the live rows."""
        pick, alive = np.random.default_rng(seed), self.living()
        size = pick.integers(0, len(alive) + 1) if count is None else count
        chosen: list[int] = pick.permutation(alive)[:size].astype(int).tolist()
        return chosen

    @rule(seed=SEEDS)
    def remove(self, seed: int) -> None:
        chosen = self.some(seed)
        self.index.remove([self.rows[number].name for number in chosen])  # type: ignore[misc]
        for number in chosen:
            self.rows[number] = replace(self.rows[number], live=False)
        if chosen:
            with pytest.raises(IdError, match="is not in the index, or was removed"):
                self.index.remove([self.rows[chosen[0]].name])  # type: ignore[list-item]

    @rule()
    def compact(self) -> None:
        self.index.compact()
        self.rows = [row for row in self.rows if row.live]
        if self.kind == "none":
            self.rows = [replace(row, name=number) for number, row in enumerate(self.rows)]

    @rule()
    def open_again(self) -> None:
        if not self.disk:
            self.index.save(self.folder / "index")
            self.disk = True
        self.index = Index.open(self.folder / "index", verify=True)

    @rule(query=VECTORS, k=st.integers(1, 9), seed=SEEDS, how=st.sampled_from(["mask", "ids", ""]))
    def search(self, query: list[float], k: int, seed: int, how: str) -> None:
        allowed, wanted = self.filtered(seed, how)
        hits = self.index.search([query], k, filter=wanted)  # type: ignore[arg-type]
        self.compare(query, k, allowed, hits.rows, hits.ids, hits.cosines)

    @rule(query=VECTORS, cosine=st.sampled_from([-1, -0.5, 0, 0.5, 0.9, 1]), seed=SEEDS)
    def search_within(self, query: list[float], cosine: float, seed: int) -> None:
        allowed, wanted = self.filtered(seed, "mask")
        hits = self.index.search_within(
            [query],
            cosine,
            filter=wanted,  # type: ignore[arg-type]
        ).of(0)
        every = self.compare(query, hits.rows.size, allowed, hits.rows, hits.ids, hits.cosines)
        assert hits.rows.shape == (1, np.count_nonzero(every >= np.float32(cosine)))

    def filtered(self, seed: int, how: str) -> tuple[list[int], object]:
        """Allowed rows, and their filter."""
        if not how:
            return self.living(), None
        chosen = self.some(seed)
        if how == "ids":
            return sorted(chosen), [self.rows[number].name for number in chosen]
        mask = np.zeros(len(self.rows), dtype=np.bool_)
        mask[chosen] = True
        mask[[number for number, row in enumerate(self.rows) if not row.live]] = seed % 2
        return sorted(chosen), mask

    def compare(
        self,
        query: list[float],
        k: int,
        allowed: list[int],
        rows: NDArray[np.int64],
        ids: NDArray[np.object_] | NDArray[np.int64],
        cosines: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Compare one query's hits with brute force; return the cosines of all allowed rows."""
        units = np.array([self.rows[number].unit for number in allowed], dtype=np.float64)
        corpus, asked = units.reshape(-1, WIDTH), unit_rows([query]).astype(np.float64)
        squared = score(asked, asked) * score(corpus, corpus)
        exact = score(asked, corpus) / np.sqrt(np.where(squared == 0, 1, squared))
        best = np.argsort(-exact, kind="stable")[:k]
        assert rows.tolist() == [[allowed[place] for place in best]]
        assert ids.tolist() == [[self.rows[number].name for number in rows[0]]]
        every: NDArray[np.float32] = exact.astype(np.float32)
        np.testing.assert_array_equal(cosines, every[None, best])
        return every

    @invariant()
    def sizes_agree(self) -> None:
        if hasattr(self, "index"):
            assert (len(self.index), self.index.n_rows) == (len(self.living()), len(self.rows))


def test_an_index_is_like_a_list_that_is_searched_by_brute_force(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transaction, "PART_ROWS", 8)
    monkeypatch.setattr("os.fsync", lambda _: None)
    run_state_machine_as_test(
        IndexMachine,
        settings=settings(
            max_examples=100,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
