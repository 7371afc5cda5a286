import json
from collections import Counter
from pathlib import Path

import pytest

from data_tools.prepare import run
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.test_prepare import contents, rows_of


def test_a_tree_is_read_in_order_and_each_file_has_a_fate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t/sub").mkdir(parents=True)
    Path("t/sub/latin.py").write_bytes(b"# -*- coding: latin-1 -*-\r\nimport sympy  # caf\xe9\r\n")
    Path("t/a.py").write_text("# SPDX-License-Identifier: Apache-2.0 OR MIT\nfrom fractions import Fraction\nx = 1\n")
    Path("t/b.py").write_text("import os\n")
    Path("t/c.py").write_bytes(b"import sympy # \xff\n")
    Path("t/d.py").write_bytes(b"")
    Path("t/e.py").write_text("import sympy\0\n")
    Path("t/f.ipynb").write_text("{}")
    Path("t/g.ipynb").write_text(json.dumps({"cells": [], "metadata": {"kernelspec": {"language": "R"}}}))
    Path("t/h.PY").write_text("import cmath\n")
    Path("t/readme.txt").write_text("not code")
    with pytest.raises(DataError, match=r"3 of 9 rows \(33.3%\) could not be read, more than --max-reject-fraction 0.01"):
        run(["t", "--source", "code_files", "--output", "o"])
    assert run(["t", "--source", "code_files", "--output", "o", "--max-reject-fraction", "0.5"]) == 0
    documents = rows_of(Path("o/documents"))
    assert [(row["id"], row["metadata"]["packages"]) for row in documents] == [
        ("t/a.py", ["fractions"]),
        ("t/h.PY", ["cmath"]),
        ("t/sub/latin.py", ["sympy"]),
    ]
    assert documents[0]["metadata"]["provenance"]["licence"] == "Apache-2.0 OR MIT"
    assert documents[2]["text"] == "# -*- coding: latin-1 -*-\nimport sympy  # café\n"
    assert {row["id"]: row["reason"].split(";")[0] for row in rows_of(Path("o/dropped"))} == {
        "t/b.py": "imports no wanted package",
        "t/c.py": "unreadable content: ValueError: undecodable source: invalid or missing encoding declaration",
        "t/d.py": "empty file",
        "t/e.py": "NUL character in text",
        "t/f.ipynb": "unreadable content: ValueError: notebook has no list of cells",
        "t/g.ipynb": "not Python: r",
    }
    manifest = json.loads(Path("o/manifest.json").read_bytes())
    assert [(entry["path"], entry["files"]) for entry in manifest["inputs"]] == [("t", 9)]


def test_real_trees_on_one_and_two_workers(shared_data: Path, tmp_path: Path) -> None:
    given = [str(shared_data / "python_code"), str(shared_data / "notebooks"), "--source", "code_files"]
    outputs = []
    for workers in ("1", "2"):
        assert run([*given, "--workers", workers, "--output", str(tmp_path / workers)]) == 0
        outputs.append(contents(tmp_path / workers))
    assert outputs[0] == outputs[1]
    documents = rows_of(tmp_path / "1/documents")
    assert Counter(row["metadata"]["kind"] for row in documents) == {"code": 27, "notebook": 5}
    assert all(row["metadata"]["packages"] for row in documents)
