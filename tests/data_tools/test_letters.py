import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data_tools.canonical import canonical
from data_tools.letters import hashes_at, letters_of, running_sum, window_hashes, winnowed


def letters(text: str) -> bytes:
    return letters_of(canonical(text).encode())[0].tobytes()


def test_careless_copies_have_the_same_letters() -> None:
    text = "Solve “x² − 3x = 10” for x…\nGive $\\frac{1}{2}$ of it, please!"
    assert letters(text) == b"solvex23x10forxgivefrac12ofitplease"
    for copy in (
        text.lower(),
        text.upper(),
        text.replace(" ", "\n\t"),
        text.replace("“", '"').replace("”", '"').replace("…", "...").replace("−", "-"),
        text.replace(",", "").replace("!", "."),
    ):
        assert letters(copy) == letters(text)
    assert letters("[[1, 2], [3, 4]]") != letters("[[1, 2], [3, 5]]")


def test_letters_know_where_they_stood() -> None:
    raw = "a, Bé!".encode()
    found, places = letters_of(raw)
    assert found.tobytes() == "abé".encode()
    assert places.tolist() == [0, 3, 4, 5]


@given(st.binary(max_size=60), st.integers(1, 12))
def test_a_window_has_the_hash_of_its_letters_wherever_it_stands(raw: bytes, size: int) -> None:
    sums = running_sum(np.frombuffer(raw, dtype=np.uint8))
    hashes = window_hashes(sums, size)
    assert len(hashes) == max(len(raw) - size + 1, 0)
    begins = np.arange(len(hashes))
    assert hashes_at(sums, begins, begins + size).tolist() == hashes.tolist()
    for begin, found in enumerate(hashes.tolist()):
        alone = window_hashes(running_sum(np.frombuffer(raw[begin : begin + size], dtype=np.uint8)), size)
        assert alone.tolist() == [found]


@given(st.binary(max_size=40), st.binary(min_size=23, max_size=60), st.binary(max_size=40), st.binary(max_size=40))
def test_texts_that_share_23_letters_share_an_anchor(before: bytes, shared: bytes, after: bytes, other: bytes) -> None:
    def anchors(raw: bytes) -> set[int]:
        hashes = window_hashes(running_sum(np.frombuffer(raw, dtype=np.uint8)), 16)
        return set(hashes[winnowed(hashes, 8)].tolist())

    assert anchors(before + shared + after) & anchors(other + shared)
