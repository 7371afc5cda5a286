"""The command line: a verb is a name of a function, imported only when it is called.

Decides: which verbs exist, how a failure is printed, and the exit status.
Does not: parse a verb's own arguments; each verb's function takes ``argv`` and owns its ``argparse`` parser.

A verb's function has the signature ``run(argv: list[str]) -> int``. ``mathcoder --help`` imports nothing but this file,
so it answers at once and never loads torch.
"""

import errno
import importlib
import sys
import traceback
from typing import NamedTuple

from megatron_mathcoder.config.errors import MathCoderError


class Verb(NamedTuple):
    """Where a verb's function lives (``module:function``) and its one-line help."""

    target: str
    help: str


VERBS: dict[str, Verb] = {
    "doctor": Verb("megatron_mathcoder.platforms.doctor:run", "say what this machine can do"),
    "prepare": Verb("data_tools.prepare:run", "raw corpora to documents (JSONL parts with an id and a text)"),
    "train-tokenizer": Verb("data_tools.tokens.train_tokenizer:run", "documents to a SentencePiece model"),
    "tokenize": Verb("data_tools.tokens.tokenize:run", "documents to a Megatron .bin/.idx dataset"),
    "train": Verb("megatron_mathcoder.trainer.main:run", "train a model from one TOML recipe"),
    "plot": Verb("megatron_mathcoder.trainer.loss_curve:run", "draw the loss curve of a run folder"),
    "export-hf": Verb("checkpoints_convert.megatron_to_hf:run", "a checkpoint to a Hugging Face folder"),
    "generate": Verb("megatron_mathcoder.inference.generate:run", "let an exported model continue a prompt"),
}


def usage() -> str:
    """Return the text of ``mathcoder --help``."""
    width = max(map(len, VERBS))
    rows = "\n".join(f"  {name:<{width}}  {verb.help}" for name, verb in VERBS.items())
    return (
        "usage: mathcoder [--traceback] VERB …\n\n"
        f"verbs:\n{rows}\n\n"
        "mathcoder VERB --help explains one verb. --traceback shows where an error was raised.\n"
    )


def suggest(name: str, known: list[str]) -> str:
    """Return `` Did you mean …?`` for the nearest known name, or the list of all of them."""
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"one of: {', '.join(sorted(known))}"


def main(argv: list[str]) -> int:
    """Run one verb. Returns the exit status: 0 done, 2 a person's mistake, 130 interrupted; defects keep their traceback."""
    show_traceback = argv[:1] == ["--traceback"]
    argv = argv[1:] if show_traceback else argv
    if not argv or argv[0] in ("-h", "--help", "help"):
        sys.stdout.write(usage())
        return 0 if argv else 2
    if argv[0] in ("-V", "--version"):
        from megatron_mathcoder import __version__

        print(f"mathcoder {__version__}")
        return 0
    if argv[0] not in VERBS:
        print(f"mathcoder: unknown verb {argv[0]!r}; {suggest(argv[0], list(VERBS))}", file=sys.stderr)
        return 2
    module_name, function_name = VERBS[argv[0]].target.split(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
        return int(function(argv[1:]))
    except MathCoderError as error:
        if show_traceback:
            traceback.print_exc()
        print(f"mathcoder {argv[0]}: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(f"\nmathcoder {argv[0]}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) went away; nothing is wrong and nothing is left to print to.
        sys.stderr.close()
        return 141
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT):
            raise
        if show_traceback:
            traceback.print_exc()
        print(f"mathcoder {argv[0]}: {error.strerror}: {error.filename or 'unnamed file'}", file=sys.stderr)
        return 2


def script() -> None:
    """Entry point of the ``mathcoder`` script."""
    sys.exit(main(sys.argv[1:]))
