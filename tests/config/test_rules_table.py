"""docs/rules.md is the rules."""

import subprocess
import sys

from megatron_mathcoder.config.rules_table import MOMENTS, rules, table
from tests.repository import ROOT


def test_the_document_is_in_step_with_the_rules() -> None:
    remedy = "run python -m megatron_mathcoder.config.rules_table > docs/rules.md"
    assert (ROOT / "docs" / "rules.md").read_text() == table(), remedy


def test_the_command_prints_it_without_torch() -> None:
    program = "import sys; from megatron_mathcoder.config.rules_table import table; table(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_every_rule_says_why_and_is_listed_once() -> None:
    listed = [rule for _, source in MOMENTS for rule in rules(source)]
    assert len(listed) == len({rule.__name__ for rule in listed})
    for rule in listed:
        assert rule.__doc__, rule.__name__
