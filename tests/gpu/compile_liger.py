"""Launch what ``bench_gpu.py`` calls of liger-kernel for a GPU that is not here: ``python -m tests.gpu.compile_liger``.

Liger's kernels do not run under the interpreter, so this is how their rows are known to run before a GPU is there.
"""

import os
import sys
import tempfile
from pathlib import Path


def main() -> None:
    os.environ.pop("TRITON_INTERPRET", None)  # read when triton is imported
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TRITON_CACHE_DIR"] = cache
        from bench_gpu import Bench
        from gpu_kernels import LARGE, _run, cases

        from tests.kernels.machine_code import Compiler

        compiler = Compiler(90)
        sizes = LARGE._replace(tokens=64, vocabulary=LARGE.vocabulary // 8, parameters=100_000)
        for name, make in cases(sizes, Bench("cuda", False, Path())).items():
            case = make("cpu")
            if "liger" in case.ways:
                _run(case.ways["liger"], case)
                print(name, *(each.name for each in compiler.kernels))
                compiler.kernels.clear()


if __name__ == "__main__":
    main()
