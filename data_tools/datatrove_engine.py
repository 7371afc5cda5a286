"""Our stages under datatrove's executors (local, Slurm, Ray): one task of theirs is one part of ours.

Decides: that task ``rank`` of ``world_size`` does part ``rank + 1`` of ``world_size``, with one worker unless told otherwise,
since the executor's tasks are the processes; and that a recipe's stages follow one another by ``depends`` (dedup takes two
runs).
Does not: pass documents between steps of a pipeline: each stage reads and writes folders, as everywhere here, so a step stands
alone in its pipeline and the output is, to the byte, that of ``mathcoder VERB``.

The only file that imports datatrove, an optional package (``pip install -c constraints.txt '.[datatrove]'``).

    from datatrove.executor import SlurmPipelineExecutor
    step = VerbStep("filter", "web", "--model", "m.bin", "--output", "kept")
    SlurmPipelineExecutor([step], tasks=64, job_name="filter", time="2:00:00", partition="cpu", logging_dir="logs/filter").run()
"""

import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from datatrove.executor.base import PipelineExecutor
from datatrove.pipeline.base import PipelineStep

from data_tools.recipe.commands import WHOLE_VERBS, stages
from data_tools.recipe.schema import load_recipe
from data_tools.recipe.verbs import VERBS
from megatron_mathcoder.config.errors import DataError

DATA = "data"
PART_VERBS = {name: module for name, module in VERBS.items() if name not in WHOLE_VERBS} | {DATA: "data_tools.recipe.run_recipe"}


class VerbStep(PipelineStep):
    """``mathcoder VERB ARGUMENTS… --part I/N`` as the one step of a datatrove pipeline.

    Raises DataError for a verb without parts.
    """

    type = "mathcoder"

    def __init__(self, verb: str, *arguments: str, workers: int = 1) -> None:
        if verb not in PART_VERBS:
            raise DataError(f"verb {verb!r} has no parts, so it is no step; there are {', '.join(PART_VERBS)}")
        self.name = verb
        super().__init__()
        given = ("--set", f"data.workers={workers}") if verb == DATA else ("--workers", str(workers))
        self.verb, self.arguments = verb, (*arguments, *given)

    def run(self, data: Iterable[Any] | None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Do the part of this rank; documents of steps before are passed on untouched."""
        with self.track_time("part"):
            module = importlib.import_module(PART_VERBS[self.verb])
            if status := module.run([*self.arguments, "--part", f"{rank + 1}/{world_size}"]):
                raise RuntimeError(f"mathcoder {self.verb} ended with status {status} in part {rank + 1}/{world_size}")
        yield from data or ()


def recipe_executors(
    recipe: str, make: Callable[[str, list[PipelineStep], PipelineExecutor | None], PipelineExecutor]
) -> list[PipelineExecutor]:
    """Return one executor for each stage of a data recipe, each depending on the one before; run the last to run all.

    ``make(name, pipeline, depends)`` makes an executor; ``name`` is for its job and its folder of logs.
    """
    made: list[PipelineExecutor] = []
    for stage in stages(load_recipe(recipe)):
        for run in (1, 2) if stage == "dedup" else (1,):
            name = stage if run == 1 else f"{stage}-again"
            made.append(make(name, [VerbStep(DATA, recipe, "--stage", stage)], made[-1] if made else None))
    return made
