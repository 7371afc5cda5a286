"""The errors a person can cause and mend.

Decides: what an error a user reaches looks like: one line with the value seen, the rule, and what to do instead.
Does not: format tracebacks or exit; ``megatron_mathcoder.cli`` prints these and chooses the exit status.

Anything that is not a ``MathCoderError`` is a defect of ours and keeps its traceback.
"""


class MathCoderError(Exception):
    """A failure caused by input, configuration or machine; its text is complete and fits one line."""

    exit_status = 2


class ConfigError(MathCoderError):
    """A key of a run's configuration is unknown, missing, of the wrong type, or breaks a rule."""


class DataError(MathCoderError):
    """Documents, tokenizers or ``.bin/.idx`` files are missing, broken, or do not fit together."""


class CheckpointError(MathCoderError):
    """A checkpoint is missing, torn, or of another model than the one asked for."""


class PlatformError(MathCoderError):
    """This machine or its installed packages cannot do what was asked."""


class LaunchError(MathCoderError):
    """Slurm refuses, or a job cannot do what it was submitted for."""


class TrainingError(MathCoderError):
    """A run cannot go on: its loss is not finite, or a rank failed."""

    exit_status = 1


def one_line(error: BaseException, most: int = 200) -> str:
    """Return what somebody else's error says, on one line and cut at ``most`` characters; its kind where it says nothing."""
    return " ".join(str(error).split())[:most] or type(error).__name__
