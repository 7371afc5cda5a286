"""``python -m megatron_mathcoder VERB …`` is ``mathcoder VERB …``.

The guard is load-bearing: megatron-core's checkpoint writer starts processes by spawn, which imports this file again.
"""

import sys

from megatron_mathcoder.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
