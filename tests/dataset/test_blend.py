"""The order of samples: complete epochs, exact shares, and nothing but (seed, number) in it."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.config.schema import BlendPart, DatasetSection
from megatron_mathcoder.dataset.batch import BatchShape, micro_batches
from megatron_mathcoder.dataset.blend import Blend, open_blend
from tests.dataset.conftest import TOKENS

VOCAB = 10_000
SECOND = 5000
"""First id of the second dataset."""


@pytest.fixture
def prefixes(write: Callable[..., str]) -> tuple[str, str]:
    return write("a"), write("b", first=SECOND, documents=8)


def blend_of(prefixes: tuple[str, str], seed: int = 1, fraction: float = 0.0, **second: float) -> Blend:
    first_weight = {"weight": 3.0} if "weight" in second else {}
    parts = (
        BlendPart(name="a", prefix=prefixes[0], **first_weight),
        BlendPart(name="b", prefix=prefixes[1], **second),
    )
    return open_blend(DatasetSection(seq_length=16, blend=parts, validation_fraction=fraction), VOCAB, seed)


def tokens_of(blend: Blend, numbers: range) -> Counter[int]:
    """Count how often each token was an unmasked input."""
    seen: Counter[int] = Counter()
    for number in numbers:
        sample = blend.sample(number)
        seen.update(sample.tokens[sample.loss_mask > 0].tolist())
    return seen


def test_every_epoch_sees_every_token_once(prefixes: tuple[str, str]) -> None:
    blend = blend_of(prefixes)
    size = blend.samples_per_epoch
    everything = Counter(range(TOKENS)) + Counter(range(SECOND, SECOND + 200))
    for epoch in range(3):
        assert tokens_of(blend, range(epoch * size, (epoch + 1) * size)) == everything


def test_epochs_differ_in_order_and_in_cuts(prefixes: tuple[str, str]) -> None:
    blend = blend_of(prefixes)
    size = blend.samples_per_epoch
    first, second = ([tuple(blend.sample(epoch * size + i).tokens) for i in range(size)] for epoch in (0, 1))
    assert first != second
    assert len(set(first) & set(second)) < size / 4


def test_parts_are_mixed(prefixes: tuple[str, str]) -> None:
    blend = blend_of(prefixes)
    from_second = [bool(blend.sample(i).tokens[0] >= SECOND) for i in range(blend.samples_per_epoch)]
    assert sum(from_second) == 13
    assert any(from_second[:38])
    assert any(from_second[38:])


def test_documents_of_a_batch_are_named_by_part(prefixes: tuple[str, str]) -> None:
    """Documents of 25 counted tokens, in both parts; a range holds no document that has no token in the batch."""
    blend = blend_of(prefixes)
    tokens = np.concatenate([blend.sample(number).tokens for number in range(5, 25)])
    expected = {
        "a": set((tokens[tokens < SECOND] // 25).tolist()),
        "b": set(((tokens[tokens >= SECOND] - SECOND) // 25).tolist()),
    }
    found = blend.documents(5, 20)
    assert {name: {each for first, last in found[name] for each in range(first, last + 1)} for name in found} == expected
    assert all(after[0] > before[1] + 1 for ranges in found.values() for before, after in pairwise(ranges))


@pytest.mark.parametrize("epochs", [0.5, 2.0])
def test_epochs_of_a_part(prefixes: tuple[str, str], epochs: float) -> None:
    """Seen twice an epoch, or once in two epochs: each token equally often once the part's own epochs are complete."""
    blend = blend_of(prefixes, epochs=epochs)
    seen = tokens_of(blend, range(2 * blend.samples_per_epoch))
    counts = {seen[SECOND + i] for i in range(200)}
    drawn = blend.part_samples_per_epoch[1] * 2
    assert drawn == round(epochs * 13) * 2
    assert counts <= {drawn // 13, -(-drawn // 13)}
    assert {seen[i] for i in range(TOKENS)} == {2}


def test_weights_are_shares(prefixes: tuple[str, str]) -> None:
    blend = blend_of(prefixes, weight=1.0)
    assert blend.samples_per_epoch == 76
    assert blend.part_samples_per_epoch == (57, 19)


def test_order_depends_on_the_seed_alone(prefixes: tuple[str, str]) -> None:
    one, same, other = (blend_of(prefixes, seed) for seed in (1, 1, 2))
    orders = [[tuple(blend.sample(i).tokens) for i in range(20)] for blend in (one, same, other)]
    assert orders[0] == orders[1] != orders[2]


def test_held_out_tokens_are_never_trained_on(prefixes: tuple[str, str]) -> None:
    blend = blend_of(prefixes, fraction=0.25)
    trained = set(tokens_of(blend, range(2 * blend.samples_per_epoch)))
    for part, held_out in zip(blend.parts, (set(range(750, 1000)), set(range(SECOND + 150, SECOND + 200))), strict=True):
        assert part.validation is not None
        validation = {int(t) for i in range(part.validation.num_samples) for t in part.validation.sample(i).tokens}
        assert validation == held_out
        assert not trained & held_out


def test_too_small_a_share_is_refused(prefixes: tuple[str, str]) -> None:
    with pytest.raises(DataError, match=r"dataset\.blend 'b': weight 0\.0, epochs 0\.01 give no sample"):
        blend_of(prefixes, epochs=0.01)


@pytest.mark.parametrize(("micro_batch_size", "data_parallel_size"), [(1, 1), (4, 1), (1, 4), (2, 3)])
def test_layouts_read_the_same_samples(prefixes: tuple[str, str], micro_batch_size: int, data_parallel_size: int) -> None:
    import torch

    blend = blend_of(prefixes)
    seen = []
    for rank in range(data_parallel_size):
        shape = BatchShape(micro_batch_size, rank, data_parallel_size, ((0, 16),), True, torch.device("cpu"))
        for batch in micro_batches(blend.sample, 24, 12 // (micro_batch_size * data_parallel_size), shape):
            assert batch.tokens.shape == batch.labels.shape == batch.loss_mask.shape == (micro_batch_size, 16)
            seen += [tuple(row.tolist()) for row in batch.tokens]
    assert Counter(seen) == Counter(tuple(blend.sample(24 + i).tokens.tolist()) for i in range(12))
    assert np.unique(seen, axis=0).shape[0] > 1
