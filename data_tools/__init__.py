"""The data tools: raw corpora to token ids, on CPU, one document at a time.

Nothing in this package imports torch or megatron, not even late; a test holds that. The trainer meets it only at
``.bin/.idx`` files.
"""

from megatron_mathcoder.platforms.blas_threads import begin_with_one

begin_with_one()
