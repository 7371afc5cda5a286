"""Replies in every shape that models give them: nothing that is there may be lost, and nothing made up."""

import json
import time

import pytest

from data_tools.llm.passages import passages
from data_tools.translate.parse import CUT_OFF, parse_reply_text
from data_tools.translate.prompt import AS_SECTIONS, SCHEMA, messages

CODE = "import math\n# a comment\nprint(math.sqrt(16))"
EXPRESSION, RESULT = r"\sqrt{16}", "4"


def fenced(code: str = CODE, tag: str = "python") -> str:
    return f"```{tag}\n{code}\n```"


ROW = {"title": "Root", "conditions": ["x = 16"], "expression": EXPRESSION, "result": "4", "code": CODE}
START = "Computation 1: Root\nConditions: x = 16\nExpression: $\\sqrt{16}$\n"
LABELLED = f"{START}Result: $4$\nCode:\n"

SHAPES = {
    "asked for": "### Computation 1: Root\nConditions:\n1. x = 16\nExpression:\n$\\sqrt{16}$\nResult:\n$4$\nCode:\n" + fenced(),
    "mathcoder2": "**Computation 1: Root**\n\n**Conditions Needed**:\n1. x = 16\n\n**Computation Expression:**\n$\\sqrt{16}$\n\n"
    "**Computation Result**:\n$4$\n\n**Python Code Snippet**:\n" + fenced(),
    "bold with colon inside": "**Computation 1:** Root\n**Conditions:** x = 16\n**Expression:** $\\sqrt{16}$\n**Result:** $4$\n"
    "**Code:**\n" + fenced(),
    "plain, no header": "Conditions: x = 16\nExpression: \\[\\sqrt{16}\\]\nResult: 4\n" + fenced(),
    "numbered": "1. Computation 1: Root\n1. **Conditions**:\n- x = 16\n2. **Expression**: `\\sqrt{16}`\n3. **Result**: **4**\n"
    "4. **Python Code**:\n" + fenced(),
    "hashes": "## Computation #1 - Root\n### Conditions\n* x = 16\n### LaTeX Expression\n$$\n\\sqrt{16}\n$$\n### Final Answer\n4"
    "\n### Python code\n" + fenced(),
    "untagged fence": LABELLED + fenced(tag=""),
    "tilde fence": f"{LABELLED}~~~py\n{CODE}\n~~~",
    "open fence": f"{LABELLED}```python\n{CODE}",
    "no fence": LABELLED + CODE,
    "indented fence": LABELLED + "".join(f"    {line}\n" for line in fenced().splitlines()),
    "result after code": f"{START}Code:\n{fenced()}\nResult: $4$",
    "output shown": f"{LABELLED}{fenced()}\nOutput:\n```\n4.0\n```",
    "several fences": f"{LABELLED}```python\nimport math\n```\nand then\n```python\n# a comment\nprint(math.sqrt(16))\n```",
    "json": json.dumps({"computations": [ROW | {"result": "$4$"}]}),
    "json list": json.dumps([ROW | {"conditions": "x = 16", "result": 4}]),
    "json in a fence": f"Here it is:\n```json\n{json.dumps([ROW], indent=1)}\n```\nHope that helps!",
    "json with fenced code": json.dumps([ROW | {"code": fenced()}]),
    "json with bare latex": json.dumps({"computations": [ROW]}).replace("\\\\sqrt", "\\sqrt"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_one_computation_in_every_shape(shape: str) -> None:
    computations, unparsed = parse_reply_text(SHAPES[shape])
    assert unparsed == []
    (found,) = computations
    assert (found.expression, found.result, found.code, found.conditions) == (EXPRESSION, RESULT, CODE, ("x = 16",))
    assert found.title == ("" if "no header" in shape else "Root")


@pytest.mark.parametrize("shape", [name for name in SHAPES if "json" not in name and name not in ("open fence", "no fence")])
@pytest.mark.parametrize("surrounded", [False, True])
def test_several_computations_are_all_found(shape: str, surrounded: bool) -> None:
    second = SHAPES[shape].replace("Computation 1", "Computation 2").replace("#1", "#2").replace("16", "25").replace("$4$", "$5$")
    reply = f"{SHAPES[shape]}\n\n{second}"
    if surrounded:
        reply = f"Sure, these are the computations:\n\n{reply}\n\nAll of them were checked."
    computations, unparsed = parse_reply_text(reply)
    assert unparsed == []
    assert [found.expression for found in computations] == [EXPRESSION, r"\sqrt{25}"]
    assert [found.code for found in computations] == [CODE, CODE.replace("16", "25")]
    assert computations[1].conditions == ("x = 25",)


def test_unlabelled_list_items_are_computations_of_their_own() -> None:
    reply = (
        f"1. The root: $\\sqrt{{16}} = 4$\n{fenced()}\n2. The sum of both is $1 + 2 = 3$.\n{fenced('print(1 + 2)')}\n"
        f"3. A remark\n{fenced('print(9)')}"
    )
    computations, unparsed = parse_reply_text(reply)
    assert [(found.expression, found.result) for found in computations] == [(r"\sqrt{16}", "4"), ("1 + 2", "3")]
    assert [each.reason for each in unparsed] == ["no stated result"]


def test_code_keeps_its_comments_and_strings() -> None:
    code = 'text = """\n#1\n# two\n"""\nif __name__ == "__main__":\n    print(text)'
    computations, _ = parse_reply_text(f"Expression: x\nResult: 1\nCode:\n{fenced(code)}")
    assert computations[0].code == code


def test_what_is_missing_is_said() -> None:
    for reply, reason in (
        ("Expression: $1+1$\nResult: 2\nThere is no code.", "no code"),
        (f"Expression: $f(x)$\nCode:\n{fenced()}", "no stated result"),
        ("I see no computations here.", "no computation in the reply"),
    ):
        computations, unparsed = parse_reply_text(reply)
        assert computations == []
        assert [each.reason for each in unparsed] == [reason]


def test_an_empty_json_list_is_a_good_answer_and_an_empty_reply_says_nothing() -> None:
    assert parse_reply_text('{"computations": []}') == ([], [])
    assert parse_reply_text("  \n") == ([], [])


def test_a_computation_cut_off_is_not_kept_but_those_before_are() -> None:
    reply = f"{SHAPES['asked for']}\n{SHAPES['open fence']}".replace("print(math.sqrt(16))", "print(math.sqrt(16))", 1)[:-3]
    computations, unparsed = parse_reply_text(reply, "length")
    assert len(computations) == 1
    assert [each.reason for each in unparsed] == ["cut off at the token limit"]


def test_commands_that_json_escapes_eat_come_back() -> None:
    reply = '[{"title": "t", "expression": "\\frac{1}{2} \\times \\beta", "result": "\\rho", "code": "print(1)\\nprint(2)"}]'
    computations, _ = parse_reply_text(reply)
    assert (computations[0].expression, computations[0].result) == (r"\frac{1}{2} \times \beta", r"\rho")
    assert computations[0].code == "print(1)\nprint(2)"


def test_a_reply_of_blanks_is_read_at_once() -> None:
    begin = time.process_time()
    for reply in (" " * 30_000 + "x", "Result" + " " * 30_000 + "x", "1." + "\t" * 30_000, "Computation" + " " * 30_000 + "1"):
        assert parse_reply_text(reply)[0] == []
    assert time.process_time() - begin < 5


def test_a_draft_in_the_reasoning_is_no_computation() -> None:
    draft = f"<think>A draft.\n{LABELLED}{fenced('print(2)')}\nNo."
    (computation,), unparsed = parse_reply_text(f"{draft}</think>\n{LABELLED}{fenced()}")
    assert (computation.code, unparsed) == (CODE, [])
    computations, unparsed = parse_reply_text(draft, "length")
    assert computations == []
    assert [each.reason for each in unparsed] == [CUT_OFF]


def test_the_prompt_asks_for_what_the_parser_reads() -> None:
    computations, unparsed = parse_reply_text(AS_SECTIONS)
    assert len(computations) + len(unparsed) == 1
    assert "code" in SCHEMA["properties"]["computations"]["items"]["required"]
    (user,) = messages("THE PASSAGE", as_json=True)
    assert user.role == "user"
    assert user.content.endswith("THE PASSAGE")


def test_a_long_document_is_cut_at_paragraphs_and_nothing_is_lost() -> None:
    text = "\n\n".join(f"paragraph {index} " + "word " * index for index in range(60))
    pieces = passages(text, 500)
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= 500
    assert all(piece.startswith("paragraph") for piece in pieces)
    assert passages("x" * 1200, 500) == ["x" * 500, "x" * 500, "x" * 200]
