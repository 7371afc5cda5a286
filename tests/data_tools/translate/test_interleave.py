"""The two layouts of a document with code."""

from data_tools.translate.computation import Computation
from data_tools.translate.interleave import block, fenced, inserted, steps


def made(**fields):
    given = {"title": "**Computation 2: Area**", "conditions": (), "expression": "", "result": "5", "code": "print(5)"}
    return Computation(**(given | fields))


def test_a_block_leaves_out_the_number_and_what_is_empty():
    assert block(made()) == "Area\n\nresult: $5$\n\n```python\nprint(5)\n```"


def test_conditions_are_numbered():
    assert "1. a = 1\n2. b = 2\n\n$a + b$" in block(made(conditions=("a = 1", "b = 2"), expression="a + b"))


def test_steps_follow_in_order():
    text = steps([made(result="1"), made(result="2")])
    assert text.index("result: $1$") < text.index("result: $2$")


def test_a_fence_is_longer_than_those_in_the_code():
    assert fenced('x = """\n```\n"""').startswith("````python\n")


def test_blocks_come_after_the_paragraph_of_their_passage():
    text = "First $a$.\nSame paragraph.\n\nSecond, with \\frac{12345}{6} in it.\n\nThird.\n"
    blocks = [made(result="last"), made(result="first", span=(6, 9)), made(result="second", expression="\\frac{12345}{6}")]
    kept = [line for line in inserted(text, blocks).split("\n\n") if not line.startswith(("Area", "```"))]
    assert kept == [
        "First $a$.\nSame paragraph.",
        "result: $first$",
        "Second, with \\frac{12345}{6} in it.",
        "$\\frac{12345}{6}$",
        "result: $second$",
        "Third.",
        "result: $last$",
    ]


def test_a_document_without_computations_is_unchanged():
    assert inserted("a\n\nb", []) == "a\n\nb"
