"""Names by their hashes: a dictionary, in few bytes."""

import hashlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from twinlens.bulk.name_table import LOST, MET, STORED, NameTable, key_of

NAMES = st.integers(0, 30).map(str)
ACTS = st.lists(st.tuples(st.sampled_from(["put", "put lost", "meet", "state"]), NAMES))


@settings(deadline=None, max_examples=50)
@given(ACTS)
def test_a_table_is_a_dictionary_of_states(acts: list[tuple[str, str]]) -> None:
    table, known = NameTable(), dict[str, int]()
    for act, name in acts:
        key, before = key_of(name), known.get(name)
        if act == "meet":
            assert table.meet(key) == before
            known[name] = MET if before is None else before | MET
        elif act == "state":
            assert table.state(key) == before
        else:
            state = LOST if act == "put lost" else STORED
            assert table.put(key, state) == (before is None)
            known.setdefault(name, state)
    assert len(table) == len(known)
    assert table.stored - table.met_again <= table.stored <= len(known)


def test_a_name_costs_28_bytes_and_none_is_forgotten_in_growing() -> None:
    table = NameTable()
    keys = [key_of(f"photos/{number}.jpg") for number in range(60_000)]
    for number, key in enumerate(keys):
        assert table.meet(key) is None
        if number > 10_000 and number % 500 == 0:
            assert table.n_bytes <= 27 * len(table) + 2**17
    assert {table.state(key) for key in keys} == {MET}
    assert table.state(key_of("another")) is None


def test_keys_that_begin_alike_are_told_apart() -> None:
    table = NameTable()
    ours = [(first, second << 2) for first in (0, 1, 2**64 - 1) for second in range(300)]
    # A first half of zero marks a free slot, and is kept as one.
    ours = [key for key in ours if key[0] != 1]
    assert all(table.put(key) for key in ours)
    assert not any(table.put(key) for key in ours)
    assert len(table) == len(ours)


def test_a_key_is_the_blake2b_of_the_stored_name() -> None:
    digest = hashlib.blake2b(b"caf\\udce9.jpg", digest_size=16).digest()
    assert key_of("caf\udce9.jpg") == tuple(np.frombuffer(digest, dtype="<u8").tolist())
