import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from data_tools.benchmarks import find_benchmarks, read_benchmark, read_benchmarks
from megatron_mathcoder.config.errors import DataError

PREFIX = "Solve the following grade school problem step by step: "


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_every_published_form_gives_questions_and_solutions(shared_data: Path) -> None:
    taken, passed = find_benchmarks([str(shared_data / "benchmarks")])
    items = {path.name: read_benchmark(path) for path in taken}
    assert [path.name for path in passed] == ["gsm8k_train.jsonl", "negatives_bbh.json"]
    counts = {name: len(found) for name, found in items.items()}
    assert counts["gsm8k_test.jsonl"] == 1319
    assert counts["math_test.jsonl"] == 5000
    assert counts["svamp.json"] == 1000
    assert sum(counts.values()) == 14_768
    assert all(item.question for found in items.values() for item in found)
    assert items["math_test.jsonl"][0].id == "algebra/1"
    assert items["math_test.jsonl"][0].solution.startswith("The denominator of the rational function")
    assert items["svamp.json"][0].question.endswith("on each pack. How much do you have to pay to buy each pack?")
    assert items["mmlu_mathematics_choices.json"][0].choices == "p = 4 p = 8 p = 12 p = 24"
    assert items["sat_math.jsonl"][0].choices.startswith("A) $f(-6)=0$")


def test_an_instruction_before_every_question_is_no_part_of_them(tmp_path: Path) -> None:
    questions = [f"{'What' if n % 2 else 'How'} is {n} plus {n}?" for n in range(30)]
    path = write(tmp_path / "b.jsonl", [{"question": PREFIX + question} for question in questions])
    assert [item.question for item in read_benchmark(path)] == questions
    # A few items, or a few words, may begin alike by chance.
    assert read_benchmark(write(tmp_path / "few.jsonl", [{"question": PREFIX + "1?"}]))[0].question == PREFIX + "1?"
    alike = write(tmp_path / "alike.jsonl", [{"question": f"What is the {n}?"} for n in range(30)])
    assert read_benchmark(alike)[3].question == "What is the 3?"


def test_messages_with_ground_truth_and_gzip(tmp_path: Path) -> None:
    row = {
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "content": "Why?"}]}],
        "ground_truth": {"solution": "because", "answer": "x"},
    }
    path = tmp_path / "svamp_test.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(row).encode()))
    (item,) = read_benchmark(path)
    assert (item.benchmark, item.id, item.question, item.solution) == ("svamp_test", "0", "Why?", "because")


def test_parts_of_a_message_as_openai_writes_them(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "Why is"}, {"type": "image_url"}, {"type": "text", "text": "it?"}]
    (item,) = read_benchmark(write(tmp_path / "a.jsonl", [{"messages": [{"role": "user", "content": parts}]}]))
    assert item.question == "Why is it?"
    with pytest.raises(DataError, match="has no question among messages"):
        read_benchmark(write(tmp_path / "b.jsonl", [{"messages": [{"role": "user", "content": None}]}]))


def test_a_folder_for_training_is_passed_over_and_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """MATH as it is published: MATH/train/algebra/0.json, MATH/test/algebra/0.json, MATH/test/geometry/0.json."""
    for place in ("train/algebra", "test/algebra", "test/geometry"):
        (tmp_path / "MATH" / place).mkdir(parents=True)
        (tmp_path / "MATH" / place / "0.json").write_text(json.dumps({"problem": f"What of {place}?"}))
    taken, passed = find_benchmarks([str(tmp_path / "MATH")])
    assert passed == [tmp_path / "MATH/train/algebra/0.json"]
    found = read_benchmarks(taken)
    assert {name: items[0].question for name, items in found.items()} == {
        f"{tmp_path}/MATH/test/{place}/0": f"What of test/{place}?" for place in ("algebra", "geometry")
    }
    assert [items[0].benchmark for items in found.values()] == list(found)
    assert list(read_benchmarks(taken[:1])) == ["0"]


def test_what_a_person_gets_wrong(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no \.json, \.jsonl"):
        find_benchmarks([str(tmp_path / "empty")])
    with pytest.raises(DataError, match="does not exist; name files, or a folder of them"):
        find_benchmarks([str(tmp_path / "nothing")])
    with pytest.raises(DataError, match=r"item 0 has no question among a; known fields are question, problem, .*: rename it"):
        read_benchmark(write(tmp_path / "x.jsonl", [{"a": 1}]))
    for name, content in (("none.jsonl", ""), ("none.json", "[]"), ("blank.jsonl", "\n\n")):
        (tmp_path / name).write_text(content)
        with pytest.raises(DataError, match=rf"{name}' has no items; fetch the file again, or remove it"):
            read_benchmark(tmp_path / name)
    (tmp_path / "training").mkdir()
    write(tmp_path / "training/gsm8k_train.jsonl", [{"question": "1?"}])
    with pytest.raises(DataError, match=r"holds only training files \(gsm8k_train.jsonl\); name a file to have it read"):
        find_benchmarks([str(tmp_path / "training")])
    (tmp_path / "7.json").write_text(json.dumps({"problem": "Why?", "solution": "So."}, indent=2))
    assert [item.question for item in read_benchmark(tmp_path / "7.json")] == ["Why?"]
    damaged = bytearray(gzip.compress(b'{"question": "Why?"}\n' * 99))
    damaged[12:20] = b"\xff" * 8
    for name, raw in (("y.json", b"[{"), ("y.jsonl", b"[" * 100_000), ("y.jsonl.gz", damaged), ("z.jsonl.gz", damaged[:9])):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(DataError, match=r"cannot be read: .*; fetch the file again"):
            read_benchmark(tmp_path / name)
