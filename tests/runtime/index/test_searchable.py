"""An index gives the same hits with every search engine."""

import numpy as np
import pytest

from twinlens.errors import ProviderError
from twinlens.index import searchable
from twinlens.index.index import Index
from twinlens.index.snapshot import Snapshot
from twinlens.ort.device import CPU
from twinlens.search.cuda_engine import CudaEngine
from twinlens.search.engine import SearchEngine

ROWS = np.random.default_rng(0).standard_normal((3000, 24))


def as_device(snapshot: Snapshot) -> SearchEngine:
    """Engine of a device, run on the CPU."""
    return CudaEngine(snapshot.rows, device=CPU, codes=snapshot.codes)


def everything(index: Index) -> list[list[object]]:
    """Hits before and after appends, removals and compaction, with filters."""
    mask = np.random.default_rng(1).random(6000) < 0.5
    found = [index.search(ROWS[:9])]
    index.add(ROWS[::-1])
    found.append(index.search(ROWS[:9], filter=mask))
    index.remove(range(0, 4000, 3))
    found += [index.search(ROWS[:9]), index.search(ROWS[:9], filter=mask)]
    found.append(index.search(ROWS[:9], filter=[1, 5999]))
    index.compact()
    found.append(index.search(ROWS[:9], k=100))
    return [[hits.rows.tolist(), hits.cosines.tolist()] for hits in found]


def test_a_device_gives_the_hits_of_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    def engine_factory(device: str, *, device_bytes: int | None) -> searchable.EngineFactory:
        assert (device, device_bytes) == ("cuda", None)
        return as_device

    wanted = everything(Index.build(ROWS))
    monkeypatch.setattr("twinlens.index.index.engine_factory", engine_factory)
    index = Index.build(ROWS).to("cuda")
    assert isinstance(index._current.engine, CudaEngine)
    assert everything(index) == wanted
    assert isinstance(index._current.engine, CudaEngine)


def test_without_a_compiler_onnxruntime_gives_the_hits_of_the_kernels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = everything(Index.build(ROWS))
    monkeypatch.setattr(searchable, "NATIVE", False)
    index = Index.build(ROWS)
    assert not isinstance(index._current.engine, searchable.KernelEngine)
    assert everything(index) == wanted


def test_removing_rows_needs_no_new_engine() -> None:
    index = Index.build(ROWS)
    before = index._current.engine
    index.remove([3])
    assert index._current.engine is before


def test_rows_for_which_a_device_has_no_room_are_found_by_the_cpu() -> None:
    index = Index.build(ROWS)

    def full(snapshot: Snapshot) -> SearchEngine:
        raise ProviderError("cuda:0 has no room")

    index._make_engine = full
    with pytest.raises(ProviderError, match="no room"):
        index.add(ROWS[:1] * 2 + 1)
    assert index.search(ROWS[:1] * 2 + 1, k=1).rows.tolist() == [[3000]]
    index.add(ROWS[:1])
    assert len(index) == 3002


def test_the_cpu_may_be_asked_for_by_name_and_a_device_that_is_none_is_refused() -> None:
    index = Index.build(ROWS)
    assert index.to("cpu") is index
    with pytest.raises(ValueError, match="device is 'tpu'"):
        index.to("tpu")
