import pytest

from data_tools.sources.repetition import skip_repetitions

LONG = (
    "The quotient of a group by one normal subgroup has as its elements all cosets; their product is defined through any two "
    "representatives, which gives the same coset whatever was chosen, exactly because conjugation maps each element back into "
    "it. Without normality this fails already for permutations on three letters, where left and right cosets differ."
)


def paragraphs(text: str) -> list[str]:
    return text.split("\n\n")


def test_a_repeated_paragraph_is_skipped_and_the_rest_kept() -> None:
    text, skipped = skip_repetitions("A\n\nB\n\nB\n\nC\n\nD")
    assert text == "A\n\nB\n\nC\n\nD"
    assert skipped == len("B\n\n")


def test_text_without_repetitions_is_the_same_to_the_byte() -> None:
    text = "A\n\n\n\nB  \n \nC\n\nA\n\nB\n"
    assert skip_repetitions(text) == (text, 0)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["x", "A", "B", "A", "B", "A", "B", "y"], ["x", "A", "B", "y"]),
        (["A", "B", "C"] * 5 + ["end"], ["A", "B", "C", "end"]),
        (["Proof.", "∎", "Proof.", "∎", "end"], ["Proof.", "∎", "Proof.", "∎", "end"]),
        ([LONG, LONG.replace("quotient", "quotients"), "end"], [LONG, "end"]),
        ([LONG + " Let n = 3.", LONG + " Let n = 4.", "end"], [LONG + " Let n = 3.", LONG + " Let n = 4.", "end"]),
        (["Find 2 + 3.", "Find 2 + 4."], ["Find 2 + 3.", "Find 2 + 4."]),
        (["A", "B", "B", "B", "B", "C"], ["A", "B", "C"]),
    ],
)
def test_loops_and_near_copies_go_exercises_stay(given: list[str], kept: list[str]) -> None:
    assert paragraphs(skip_repetitions("\n\n".join(given))[0]) == kept


def test_a_phrase_loop_inside_a_paragraph_is_taken_out_once() -> None:
    looping = "We know that " + "the limit exists and " * 60 + "so the proof ends here."
    text, skipped = skip_repetitions(f"before\n\n{looping}\n\nafter")
    assert paragraphs(text) == ["before", "We know that the limit exists and so the proof ends here.", "after"]
    assert skipped == 59 * len("the limit exists and ")


def test_a_matrix_of_zeros_stays() -> None:
    matrix = " ".join(["0"] * 200)
    assert skip_repetitions(matrix) == (matrix, 0)
