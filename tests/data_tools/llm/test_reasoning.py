import pytest

from data_tools.llm.reasoning import without_reasoning


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("Label: 2", "Label: 2"),
        ("<think>1 or 2?</think>Label: 2", "Label: 2"),
        ("1 or 2?\n</think>\nLabel: 2", "\nLabel: 2"),
        ("<think>a</think> b <think>c</think>d", "d"),
        ("<think>cut off", ""),
        ("if a <think> b", "if a "),
        ("", ""),
    ],
)
def test_what_a_model_wrote_to_itself_is_no_answer(reply: str, answer: str) -> None:
    assert without_reasoning(reply) == answer
