"""Benchmarks by way of Hugging Face ``datasets``, from files on this disk alone."""

import sys
from pathlib import Path

import pytest

from megatron_mathcoder.config.errors import DataError, PlatformError
from megatron_mathcoder.evaluation.benchmarks import Item, load_items

GSM8K = [{"question": f"What is {n} + {n}?", "answer": f"It is {2 * n}.\n#### {2 * n}"} for n in range(5)]
ITEMS = [Item(str(n), f"What is {n} + {n}?", str(2 * n)) for n in range(5)]


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = pytest.importorskip("datasets")
    monkeypatch.setattr(found.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return found


def test_a_folder_of_parquet_files_is_read_by_split(datasets, tmp_path: Path) -> None:
    rows = datasets.Dataset.from_list(GSM8K)
    rows.to_parquet(tmp_path / "gsm8k/data/test-00000-of-00001.parquet")
    rows.select([3]).to_parquet(tmp_path / "gsm8k/data/train-00000-of-00001.parquet")
    assert load_items("gsm8k", f"hf:{tmp_path}/gsm8k") == ITEMS
    assert [item.question for item in load_items("gsm8k", f"hf:{tmp_path}/gsm8k:default:train")] == ["What is 3 + 3?"]
    # One file of it needs no package.
    assert load_items("gsm8k", f"{tmp_path}/gsm8k/data/test-00000-of-00001.parquet", limit=2) == ITEMS[:2]


@pytest.mark.parametrize("prefix", ["hf:", ""])
def test_what_save_to_disk_wrote_is_read(datasets, tmp_path: Path, prefix: str) -> None:
    rows = datasets.Dataset.from_list(GSM8K)
    rows.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"test": rows, "train": rows.select([0])}).save_to_disk(tmp_path / "splits")
    assert load_items("gsm8k", f"{prefix}{tmp_path}/one") == load_items("gsm8k", f"{prefix}{tmp_path}/splits") == ITEMS


def test_a_class_label_is_a_choice_s_number(datasets, tmp_path: Path) -> None:
    """MMLU as the Hub has it: ``answer`` is a ClassLabel, ``subject`` a column."""
    features = datasets.Features(
        {
            "question": datasets.Value("string"),
            "subject": datasets.Value("string"),
            "choices": datasets.List(datasets.Value("string")),
            "answer": datasets.ClassLabel(names=["A", "B", "C", "D"]),
        }
    )
    row = {"question": "1 + 1?", "choices": ["1", "2", "3", "4"], "answer": 1}
    rows = [row | {"subject": subject} for subject in ("anatomy", "college_mathematics")]
    datasets.Dataset.from_list(rows, features=features).save_to_disk(tmp_path / "mmlu")
    assert load_items("mmlu_math", f"hf:{tmp_path}/mmlu") == [Item("1", "1 + 1?", "B", ("1", "2", "3", "4"))]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder::validation", r"hf:folder::validation: Unknown split .validation.. Should be one of \['test'\]; write hf:"),
        ("folder:main", "hf:folder:main: BuilderConfig 'main' not found. Available: "),
        ("", "hf:: it names no dataset; write hf:NAME:CONFIG:SPLIT"),
        ("splits::dev", "hf:splits::dev: it has no split 'dev' among test; write hf:splits::SPLIT"),
    ],
)
def test_a_wrong_name_is_one_line(datasets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    rows = datasets.Dataset.from_list(GSM8K)
    rows.to_parquet(Path("folder/test.parquet"))
    datasets.DatasetDict({"test": rows}).save_to_disk("splits")
    with pytest.raises(DataError, match=message) as error:
        load_items("gsm8k", f"hf:{name}")
    assert "\n" not in str(error.value)


def test_without_the_package_a_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(PlatformError, match="hf:openai/gsm8k:main needs the package datasets; pip install datasets"):
        load_items("gsm8k", "hf:openai/gsm8k:main")
