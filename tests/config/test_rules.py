"""The list of rules: each is broken in the test of its file, with its whole message."""

from megatron_mathcoder.config import rules
from tests.config import (
    test_dataset_rules,
    test_guard_rules,
    test_layout_rules,
    test_optimizer_rules,
    test_resume_rules,
    test_training_rules,
)

TESTS = (test_dataset_rules, test_guard_rules, test_layout_rules, test_optimizer_rules, test_resume_rules, test_training_rules)


def test_every_rule_is_broken_in_a_test() -> None:
    named = {rule.__name__ for rule in (*rules.RULES, *rules.WORLD_SIZE_RULES, *rules.STEP_RULES)}
    elsewhere = {"_every_number_in_its_range", "local_ranks_are_all_ranks"}
    broken = {rule for tests in TESTS for rule, _, _ in tests.BROKEN}
    assert broken | elsewhere == named
