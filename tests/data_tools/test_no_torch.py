"""Law 1 for what import-linter cannot see: nothing in data_tools brings torch in, not through another package and not late."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import data_tools
from tests.data_tools.conftest import RunVerb, write_documents

HEAVY = ("torch", "megatron", "transformers", "triton")


def test_no_module_imports_torch_or_megatron() -> None:
    names = [module.name for module in pkgutil.walk_packages(data_tools.__path__, "data_tools.")]
    assert len(names) > 15
    script = f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\n"
    script += f"print([name for name in {HEAVY!r} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_no_verb_imports_them_while_it_runs(tmp_path: Path, tokenizer_model: Path) -> None:
    write_documents(tmp_path / "a.jsonl", ["some text"])
    script = (
        "import sys\nfrom megatron_mathcoder.cli import main\n"
        "assert main(['prepare', 'a.jsonl', '--output', 'docs']) == 0\n"
        f"assert main(['tokenize', 'docs', '--tokenizer', {str(tokenizer_model)!r}, '--output', 'd']) == 0\n"
        f"assert [n for n in {HEAVY!r} if n in sys.modules] == []\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


def test_a_persons_mistake_is_one_line_and_exit_status_2(run_verb: RunVerb) -> None:
    for arguments in (
        ["prepare", "gone.jsonl", "--output", "docs"],
        ["train-tokenizer", "gone.jsonl", "--output", "t.model", "--vocab-size", "300"],
        ["tokenize", "gone.jsonl", "--tokenizer", "gone.model", "--output", "d"],
    ):
        answer = run_verb(*arguments)
        assert answer.returncode == 2
        assert answer.stderr.count("\n") == 1
        assert answer.stderr.startswith(f"mathcoder {arguments[0]}: ")
