"""Held-out loss of each part of the blend.

Decides: which held-out samples are used: the first ones of each part, the same at every validation and in every layout.
Does not: run the model (``step.py``) or write the result (``metrics.py``).
"""

from collections.abc import Iterator

import numpy as np

from megatron_mathcoder.config.schema import ValidationSection
from megatron_mathcoder.dataset.blend import Blend
from megatron_mathcoder.dataset.packing import PackedStream
from megatron_mathcoder.dataset.token_stream import Sample, TokenStream


def held_out_streams(blend: Blend) -> Iterator[tuple[str, TokenStream | PackedStream]]:
    """Yield (part name, held-out tokens) of every part that has some."""
    for part in blend.parts:
        if part.validation is not None:
            yield part.name, part.validation


def samples_to_use(section: ValidationSection, stream: TokenStream | PackedStream) -> int:
    """Return how many of a part's held-out samples are used."""
    return min(section.samples or stream.num_samples, stream.num_samples)


def sample_or_blank(stream: TokenStream | PackedStream, number: int, count: int) -> Sample:
    """Return held-out sample ``number``, or beyond ``count`` a fully masked one that fills up the last micro-batches."""
    sample = stream.sample(min(number, count - 1))
    return sample if number < count else sample._replace(loss_mask=np.zeros_like(sample.loss_mask))
