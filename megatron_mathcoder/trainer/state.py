"""Where a run stands.

Decides: the numbers that, with the weights and the optimizer, make a run continue as if it had never stopped.
Does not: hold the data order (a pure function of ``consumed_samples``) or random states (training draws no random number:
both dropouts are 0).
"""

from dataclasses import asdict, dataclass, replace


@dataclass(slots=True)
class TrainState:
    """Counters after the last finished step."""

    step: int = 0
    consumed_samples: int = 0
    """Number of the next sample in the order of the data; those that a rewind left out are counted."""
    consumed_tokens: int = 0
    judged_steps: int = 0
    """Steps that were not skipped, and so are in the two numbers below (``guard.py``)."""
    loss_mean: float = 0.0
    loss_variance: float = 0.0
    skipped_in_row: int = 0
    """Skipped steps up to the last one."""
    skipped_steps: int = 0
    rewinds: int = 0

    def advance(self, samples: int, tokens: int) -> None:
        """Count one finished step of ``samples`` samples and ``tokens`` tokens."""
        self.step += 1
        self.consumed_samples += samples
        self.consumed_tokens += tokens

    def rewound_to(self, earlier: "TrainState") -> "TrainState":
        """Return the state from which to go on with the weights of ``earlier`` and the data after this step."""
        return replace(
            earlier,
            consumed_samples=self.consumed_samples,
            consumed_tokens=self.consumed_tokens,
            skipped_steps=self.skipped_steps,
            rewinds=self.rewinds + 1,
        )

    def to_dict(self) -> dict[str, float]:
        """Return the counters as a checkpoint keeps them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, float]) -> "TrainState":
        """Restore the counters of a checkpoint; one from before a counter existed has not counted it."""
        return cls(**values)  # type: ignore[arg-type]
