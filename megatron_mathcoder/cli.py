"""The command line: a verb is a name of a function, imported only when it is called.

Decides: which verbs exist, how a failure is printed, and the exit status.
Does not: parse a verb's own arguments; each verb's function takes ``argv`` and owns its ``argparse`` parser.

A verb's function has the signature ``run(argv: list[str]) -> int``. ``mathcoder --help`` imports nothing but this file,
so it answers at once and never loads torch.
"""

import errno
import importlib
import os
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
    "data": Verb("data_tools.recipe.run_recipe:run", "raw corpora to blended datasets: all stages of one TOML recipe"),
    "annotate": Verb("data_tools.annotation.main:run", "label a sample of documents, by a language model or by hand"),
    "train-filter": Verb("data_tools.filters.train_filter:run", "labelled documents to a fastText model"),
    "filter": Verb("data_tools.filters.fasttext_filter:run", "keep the documents that a fastText model says are related"),
    "dedup": Verb("data_tools.dedup.dedup:run", "drop copies, exact and near, and keep the first of each"),
    "decontaminate": Verb("data_tools.decontamination.decontaminate:run", "drop documents that hold a benchmark's items"),
    "formula-recall": Verb(
        "data_tools.formulas.recall:run", "how many formulas of LaTeX sources survive in the text of their pages"
    ),
    "report": Verb("data_tools.report.main:run", "what a dataset is made of, as one HTML page"),
    "train-tokenizer": Verb("data_tools.tokens.train_tokenizer:run", "documents to a SentencePiece model"),
    "tokenize": Verb("data_tools.tokens.tokenize:run", "documents to a Megatron .bin/.idx dataset"),
    "translate": Verb("data_tools.translate.main:run", "documents to computations with Python that shows each result"),
    "execute": Verb("data_tools.translate.execute:run", "completions to documents with executed, verified code"),
    "run-code": Verb("data_tools.sandbox.run_code:run", "run one Python file in the sandbox and print one JSON object"),
    "replay": Verb("data_tools.sandbox.replay:run", "run recorded trajectories again and compare their outputs"),
    "plan": Verb("megatron_mathcoder.planning.main:run", "say what a recipe needs and takes on GPUs that need not be here"),
    "train": Verb("megatron_mathcoder.trainer.main:run", "train a model from one TOML recipe"),
    "submit": Verb("megatron_mathcoder.launching.submit:run", "check a training run and hand it to Slurm"),
    "attempt": Verb("megatron_mathcoder.launching.attempt:run", "one attempt of a Slurm job; the batch scripts call it"),
    "status": Verb("megatron_mathcoder.launching.status:run", "say how a run gets on, from its folder alone"),
    "plot": Verb("megatron_mathcoder.trainer.loss_curve:run", "draw the loss curve of a run folder"),
    "add-tokens": Verb("checkpoints_convert.add_tokens:run", "a Hugging Face folder with the tokens of the LCE format"),
    "import-hf": Verb("checkpoints_convert.hf_to_megatron:run", "a Hugging Face folder to a checkpoint"),
    "export-hf": Verb("checkpoints_convert.megatron_to_hf:run", "a checkpoint to a Hugging Face folder"),
    "verify-hf": Verb("checkpoints_convert.verify:run", "compare a Hugging Face folder and a checkpoint, byte for byte"),
    "evaluate": Verb("megatron_mathcoder.evaluation.evaluator:run", "ask models the benchmarks of a recipe, and judge them"),
    "grade": Verb("megatron_mathcoder.evaluation.grade:run", "judge recorded answers by value, or by a published rule"),
    "word-problems": Verb("data_tools.word_problems:run", "templated word problems with solutions, for the demo"),
    "interpolate": Verb(
        "megatron_mathcoder.inference.interpolate:run", "write new problems between easy and hard ones, by a model"
    ),
    "solve": Verb("megatron_mathcoder.inference.solve:run", "solve problems with code, keep the solutions to be believed"),
    "generate": Verb("megatron_mathcoder.inference.generate:run", "let an exported model continue a prompt"),
}

OUR_PACKAGES = ("megatron_mathcoder", "data_tools", "checkpoints_convert")

OTHER_PATH = "check the path"
MENDABLE = {
    errno.ENOSPC: "free some space, or write to another disk",
    errno.EDQUOT: "free some space, or write to another disk",
    errno.EACCES: "choose a path you may use, or ask for the permission",
    errno.EPERM: "choose a path you may use, or ask for the permission",
    errno.EROFS: "choose a path you may write to",
    errno.ENOENT: OTHER_PATH,
    errno.EISDIR: OTHER_PATH,
    errno.ENOTDIR: OTHER_PATH,
    errno.EEXIST: OTHER_PATH,
    errno.ENAMETOOLONG: OTHER_PATH,
}
"""What the operating system refuses for a reason a person can see and change, and what to do about it."""


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
    """Return ``did you mean '…'?`` for the nearest known name, or the list of all of them."""
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"one of: {', '.join(sorted(known))}"


def main(argv: list[str]) -> int:
    """Run one verb. Returns the exit status: 0 done, 2 a person's mistake, 130 interrupted; defects keep their traceback."""
    show_traceback = argv[:1] == ["--traceback"]
    argv = argv[1:] if show_traceback else argv
    if argv[:1] == ["help"] and len(argv) > 1:
        argv = [argv[1], "--help"]
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
    try:
        status = call(VERBS[argv[0]], argv[1:])
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print(f"\nmathcoder {argv[0]}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        if not reader_left():
            raise
        # The reader of our output (head, less) went away; nothing is wrong, and what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (MathCoderError, OSError, ModuleNotFoundError) as error:
        message = explain(error)
        if message is None:
            raise
        if show_traceback:
            traceback.print_exc()
        print(f"mathcoder {argv[0]}: {message}", file=sys.stderr)
        return error.exit_status if isinstance(error, MathCoderError) else 2


def call(verb: Verb, argv: list[str]) -> int:
    """Import the verb's function and run it."""
    module_name, function_name = verb.target.split(":")
    return int(getattr(importlib.import_module(module_name), function_name)(argv))


def explain(error: MathCoderError | OSError | ModuleNotFoundError) -> str | None:
    """Return the one line to print for a failure a person can mend, or None for a defect of ours, which keeps its traceback."""
    if isinstance(error, MathCoderError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        return None if package in ("", *OUR_PACKAGES) else f"{package} is not installed; mathcoder doctor says what to install"
    if error.errno not in MENDABLE:
        return None
    return f"{error.strerror}: {error.filename or 'a file without a name'}; {MENDABLE[error.errno]}"


def reader_left() -> bool:
    """Return whether the other end of our standard output is closed; a pipe to a dead child process is another matter."""
    import select

    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def script() -> None:
    """Entry point of the ``mathcoder`` script."""
    sys.exit(main(sys.argv[1:]))
