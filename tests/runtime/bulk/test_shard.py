"""Shards: each name in one of them, on every machine the same."""

from itertools import product

import pytest

from twinlens import Shard
from twinlens.bulk.name_table import key_of


def test_every_name_is_of_one_shard_and_they_are_about_equal() -> None:
    keys = [key_of(f"{number}.jpg")[0] for number in range(3000)]
    owned = [sum(Shard(number=n, count=3).owns(key) for key in keys) for n in (1, 2, 3)]
    assert sum(owned) == 3000
    assert min(owned) > 900


def test_the_shard_of_a_name_is_the_documented_one() -> None:
    names = ("a.jpg", "photos/b.jpg", "s.tar/c.jpg", "a dog")
    found = [
        next(n for n in range(1, 8) if Shard(number=n, count=7).owns(key_of(name)[0]))
        for name in names
    ]
    assert found == [5, 1, 7, 4]


def test_shards_overlap_where_a_number_is_of_both() -> None:
    all_shards = [
        Shard(number=n, count=count) for count in (1, 2, 3, 4, 6) for n in range(1, count + 1)
    ]
    for one, other in product(all_shards, all_shards):
        both = any(one.owns(first) and other.owns(first) for first in range(12))
        assert one.overlaps(other) == both, (one, other)


@pytest.mark.parametrize(
    "words", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "1.0/2", "\u0661/2"]
)
def test_what_is_no_shard_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match="shard is"):
        Shard.read(words)
