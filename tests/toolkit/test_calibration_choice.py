"""Which samples a seed chooses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgeq.calibration.choice import choose


def test_the_choice_is_the_same_everywhere() -> None:
    assert choose(5, 200, 0) == (0, 1, 2, 3, 4)
    assert choose(1000, 10, 0) == (84, 175, 242, 325, 451, 540, 678, 730, 847, 958)


@given(st.integers(1, 5000), st.integers(1, 300), st.integers(0, 9))
def test_the_choice_is_spread_and_without_replacement(total: int, wanted: int, seed: int) -> None:
    numbers = choose(total, wanted, seed)
    assert len(set(numbers)) == len(numbers) == min(total, wanted)
    assert list(numbers) == sorted(numbers)
    assert 0 <= numbers[0] <= numbers[-1] < total
    assert all(
        later - number < 2 * total / wanted + 2 for number, later in zip(numbers, numbers[1:])
    )
