"""The rules of what a run watches, each broken once or more, with the whole message."""

from tests.config.broken_rules import Broken, Load, each_of, message_of

BROKEN: Broken = [
    (
        "end_on_stall_needs_a_limit",
        "guard.end_on_stall=true guard.stall_minutes=0",
        (
            "guard.end_on_stall = true: has no effect with guard.stall_minutes = 0; give the minutes, 15 is usual, "
            "or set it to false"
        ),
    ),
    (
        "spikes_are_judged_before_the_end",
        "guard.spike_sigma=6 guard.spike_window_steps=100",
        (
            "guard.spike_window_steps = 100: must be less than the run's 100 steps, or no loss is ever compared with "
            "guard.spike_sigma = 6.0; shorten it or set spike_sigma to 0"
        ),
    ),
]


@each_of(BROKEN)
def test_a_broken_rule_says_what_to_change(load: Load, overrides: str, message: str) -> None:
    assert message_of(load, overrides) == message
