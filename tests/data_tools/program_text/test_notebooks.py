import json
from pathlib import Path

import orjson
import pytest

from data_tools.program_text.notebooks import MAX_OUTPUT_CHARACTERS, read_notebook


def notebook(*cells: dict[str, object], **more: object) -> bytes:
    return json.dumps({"cells": list(cells), "nbformat": 4, **more}).encode()


def code(source: object, *outputs: dict[str, object]) -> dict[str, object]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def test_cells_become_text_in_order_with_what_they_printed() -> None:
    found = read_notebook(
        notebook(
            {"cell_type": "markdown", "source": ["# Title\n", "with $x^2$"]},
            code(
                "import sympy\n",
                {"output_type": "stream", "name": "stdout", "text": ["1\n", "2\n"]},
                {"output_type": "execute_result", "data": {"text/plain": "x**2", "image/png": "AAAA"}},
                {"output_type": "display_data", "data": {"text/plain": "<Figure size 1x1>"}},
                {"output_type": "error", "traceback": ["boom"]},
            ),
            code("   "),
        )
    )
    assert found.text == "# Title\nwith $x^2$\n\n```python\nimport sympy\n```\n\n```output\n1\n2\nx**2\n```"
    assert found.code.startswith("import sympy")
    assert found.language == "python"


def test_what_jupyter_writes_though_json_has_no_word_for_it() -> None:
    cell = code("import sympy  # \ud83d", {"output_type": "display_data", "data": {"application/json": float("nan")}})
    assert read_notebook(b"\xef\xbb\xbf" + notebook(cell)).text == "```python\nimport sympy  # \ufffd\n```"


@pytest.mark.parametrize(
    "broken",
    [{"outputs": 5}, {"outputs": {"a": 1}}, {"outputs": [5, {"data": ["x"]}, {"data": {"text/plain": {}}}]}, {"metadata": 1}],
)
def test_a_cell_with_a_broken_part_keeps_the_others(broken: dict[str, object]) -> None:
    assert read_notebook(notebook({**code("x = 1"), **broken}, metadata=[])).text == "```python\nx = 1\n```"


def test_format_3_and_another_language() -> None:
    cells = [{"cell_type": "heading", "level": 2, "source": "T"}, {"cell_type": "code", "input": "1 + 1", "outputs": []}]
    old = json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3}).encode()
    assert read_notebook(old).text == "## T\n\n```python\n1 + 1\n```"
    cells[0]["level"] = 10**12
    old = json.dumps({"worksheets": [{"cells": cells}, {"cells": 7}], "nbformat": 3}).encode()
    assert read_notebook(old).text.startswith("###### T\n")
    julia = notebook(code("x = 1"), metadata={"kernelspec": {"language": "julia"}})
    assert read_notebook(julia).language == "julia"


def test_long_output_is_cut_at_a_line() -> None:
    printed = read_notebook(notebook(code("f()", {"output_type": "stream", "text": "12345\n" * 10_000}))).text
    assert len(printed) < MAX_OUTPUT_CHARACTERS + 100
    assert printed.endswith("12345\n…\n```")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"not json", "notebook is not JSON"),
        (b"[1]", "notebook is a JSON list, not an object"),
        (b"{}", "notebook has no list of cells"),
        (b'{"cells": 3}', "notebook has no list of cells"),
        (b'{"cells": [{"cell_type": "code", "source": "\xff"}]}', "notebook is not JSON"),
    ],
)
def test_what_is_no_notebook_is_said(raw: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_notebook(raw)


def test_odd_cells_are_passed_over() -> None:
    odd = {"cells": [3, None, {"cell_type": "code"}, {"cell_type": "code", "source": {"a": 1}, "outputs": 4 * [None]}]}
    assert read_notebook(orjson.dumps(odd | {"metadata": []})).text == ""


def test_every_word_of_a_real_notebook_is_there(shared_data: Path) -> None:
    path = shared_data / "notebooks/numerical-mooc/lessons__02_spacetime__02_02_CFLCondition.ipynb"
    raw = json.loads(path.read_bytes())
    text = read_notebook(path.read_bytes()).text
    sources = ["".join(cell["source"]).strip("\n") for cell in raw["cells"]]
    assert len(sources) > 10
    position = 0
    for source in filter(str.strip, sources):
        position = text.index(source, position) + len(source)
