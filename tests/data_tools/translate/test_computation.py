import orjson

from data_tools.translate.computation import Completion, Computation, TranslatedDocument, Unparsed

COMPUTATION = Computation("Sum", ("x = 3",), r"x + \frac{1}{2}", r"\frac{7}{2}", "print(7)", (4, 19))


def test_a_row_has_the_fields_that_execute_reads_and_reads_back_as_itself() -> None:
    completion = Completion("symbolic", "", "1", 0.25, "stop", None, (COMPUTATION,), (Unparsed("no value", None, "$x$"),))
    document = TranslatedDocument("a", "text", {"source": "s"}, completion)
    row = orjson.loads(document.to_json_line())
    assert list(row) == ["id", "text", "metadata", "completion"]
    assert row["completion"]["computations"] == [
        {
            "title": "Sum",
            "conditions": ["x = 3"],
            "expression": r"x + \frac{1}{2}",
            "result": r"\frac{7}{2}",
            "code": "print(7)",
            "span": [4, 19],
        }
    ]
    assert row["completion"]["unparsed"] == [{"reason": "no value", "span": None, "text": "$x$"}]
    assert TranslatedDocument.from_json(row) == document
