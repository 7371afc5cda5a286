"""Where a run stands.

Decides: the numbers that, with the weights and the optimizer, make a run continue as if it had never stopped.
Does not: hold the data order (a pure function of ``consumed_samples``) or random states (training draws no random number:
both dropouts are 0).
"""

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class TrainState:
    """Counters after the last finished step."""

    step: int = 0
    consumed_samples: int = 0
    consumed_tokens: int = 0

    def advance(self, samples: int, tokens: int) -> None:
        """Count one finished step of ``samples`` samples and ``tokens`` tokens."""
        self.step += 1
        self.consumed_samples += samples
        self.consumed_tokens += tokens

    def to_dict(self) -> dict[str, int]:
        """Return the counters as a checkpoint keeps them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, int]) -> "TrainState":
        """Restore the counters of a checkpoint."""
        return cls(**values)
