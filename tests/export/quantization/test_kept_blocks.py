"""The search for the fewest blocks that stay in float32."""

from hypothesis import given
from hypothesis import strategies as st

from twinlens_export.quantization.kept_blocks import fewest, tries_of


@given(
    most=st.integers(1, 200),
    enough=st.integers(1, 240),
    hopes=st.lists(st.integers(0, 60), max_size=3),
)
def test_the_last_number_that_is_compared_is_the_fewest(
    most: int, enough: int, hopes: list[int]
) -> None:
    """A quick look may promise more than the whole comparison keeps, until it has learnt better."""
    seemed: list[int] = []
    compared: list[int] = []
    bound = [max(1, enough - sum(hopes))]

    def seems(count: int) -> bool:
        seemed.append(count)
        return count >= bound[0]

    def holds(count: int) -> bool:
        compared.append(count)
        if count < enough:
            bound[0] = min(enough, max(count + 1, bound[0] + (hopes.pop() if hopes else 240)))
        return count >= enough

    fewest(most, seems=seems, holds=holds)
    assert compared[-1] == min(enough, most)
    assert compared == sorted(set(compared))
    assert len(seemed) <= len(compared) * tries_of(most)


def test_near_ties_may_fall_right_with_fewer_blocks() -> None:
    compared: list[int] = []

    def holds(count: int) -> bool:
        compared.append(count)
        return count == 3

    fewest(5, seems=lambda count: count in {2, 3}, holds=holds)
    assert compared == [2, 3]


def test_many_blocks_take_few_tries() -> None:
    seemed: list[int] = []

    def seems(count: int) -> bool:
        seemed.append(count)
        return count >= 17

    fewest(24, seems=seems, holds=lambda count: count == 17)
    assert seemed == [24, 12, 18, 15, 16, 17]
    assert len(seemed) == tries_of(24)
