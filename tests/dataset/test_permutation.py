"""The keyed permutation visits every number once, differs by key, and does not favour any place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_mathcoder.dataset.permutation import KeyedPermutation, make_key


@given(size=st.integers(1, 3000), key=st.integers(0, 2**64 - 1))
def test_is_a_permutation(size: int, key: int) -> None:
    permutation = KeyedPermutation(size, key)
    assert sorted(permutation[i] for i in range(size)) == list(range(size))


def test_is_fixed() -> None:
    permutation = KeyedPermutation(10, make_key(3407, "blend", 0))
    assert [permutation[i] for i in range(10)] == GOLDEN_ORDER, "the data order of every existing run would change"


GOLDEN_ORDER = [7, 3, 2, 6, 8, 4, 1, 5, 0, 9]


def test_keys_give_unrelated_orders() -> None:
    size = 10_000
    first, second = (KeyedPermutation(size, make_key("seed", epoch)) for epoch in (0, 1))
    fixed = sum(first[i] == second[i] for i in range(size))
    # The number of agreements of two random permutations is Poisson with mean 1.
    assert fixed < 10


def test_neighbours_are_spread() -> None:
    size = 10_000
    permutation = KeyedPermutation(size, make_key("neighbours"))
    distances = [abs(permutation[i] - permutation[i + 1]) for i in range(size - 1)]
    # Mean distance of two uniform numbers is a third of the range, standard error 0.24 % of it here.
    assert sum(distances) / len(distances) == pytest.approx(size / 3, rel=0.02)


def test_large_sizes_need_no_memory() -> None:
    permutation = KeyedPermutation(10**15, make_key("large"))
    assert 0 <= permutation[10**15 - 1] < 10**15


@pytest.mark.parametrize("position", [-1, 5])
def test_refuses_other_positions(position: int) -> None:
    with pytest.raises(IndexError, match=r"outside range\(5\)"):
        KeyedPermutation(5, 1)[position]


def test_refuses_an_empty_range() -> None:
    with pytest.raises(ValueError, match="size = 0"):
        KeyedPermutation(0, 1)
