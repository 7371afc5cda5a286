"""Every rule that needs the data, broken, with its whole message."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.config.loader import load_config
from megatron_mathcoder.config.schema import BlendPart, DatasetSection, RunConfig
from megatron_mathcoder.dataset import blend_rules
from megatron_mathcoder.dataset.blend import Blend, open_blend
from megatron_mathcoder.dataset.blend_rules import check_blend, check_resumed_data
from megatron_mathcoder.dataset.part_identity import END_BYTES, identify_part, identities_text, read_identities
from tests.dataset.conftest import DOCUMENTS, TOKENS
from tests.repository import RECIPES

Write = Callable[..., str]
RECIPE = RECIPES / "tiny_cpu.toml"
ONE, OTHER = "1" * 64, "2" * 64


def write_manifest(prefix: str, sha256: str, tokens: int = TOKENS) -> None:
    tokenizer = {"vocab_size": 10, "path": f"{Path(prefix).name}.model", "sha256": sha256}
    Path(f"{prefix}.manifest.json").write_text(json.dumps({"tokens": tokens, "tokenizer": tokenizer}))


def opened(*prefixes: str, tokenizer: str = "") -> Blend:
    parts = tuple(BlendPart(name=Path(prefix).name, prefix=prefix) for prefix in prefixes)
    section = DatasetSection(seq_length=16, blend=parts, validation_fraction=0.0, tokenizer=tokenizer)
    return open_blend(section, 100_000, seed=1)


def message(call: Callable[..., object], *arguments: object, **options: object) -> str:
    with pytest.raises(DataError) as error:
        call(*arguments, **options)
    return str(error.value)


def test_parts_of_two_tokenizers(write: Write) -> None:
    a, b, stock = write("a"), write("b", first=5000), write("stock", first=9000)
    write_manifest(a, ONE)
    write_manifest(b, OTHER)
    assert message(opened, a, stock, b) == (
        'dataset.blend: "a" was made with a.model (sha256 11111111), "b" with b.model (sha256 22222222); '
        "tokenize all parts with one tokenizer"
    )
    write_manifest(b, ONE)
    opened(a, stock, b)


def test_a_manifest_of_another_dataset(write: Write) -> None:
    a = write("a")
    write_manifest(a, ONE, tokens=999)
    assert message(opened, a) == (
        f"dataset {a}: {a}.manifest.json is of 999 tokens, the .idx has 1000; "
        "copy the three files together, or remove the manifest"
    )


def test_the_exported_tokenizer_is_missing(write: Write, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "none", tmp_path / "empty"):
        assert message(opened, write("a"), tokenizer=str(path)) == (
            f'dataset.tokenizer = "{path}": no tokenizer is there (tokenizer.json, tokenizer.model, tekken.json in a folder, '
            'or a file); mend the path, or set it to "" to export none'
        )


@pytest.mark.parametrize("in_folder", [False, True])
def test_the_exported_tokenizer_is_another(write: Write, tmp_path: Path, in_folder: bool) -> None:
    a = write("a")
    file = tmp_path / "tokenizer.model"
    file.write_bytes(b"pieces")
    tokenizer = str(tmp_path if in_folder else file)
    write_manifest(a, ONE)
    assert message(opened, a, tokenizer=tokenizer) == (
        f'dataset.tokenizer = "{tokenizer}": "a" was made with a.model (sha256 11111111), which is not in it; '
        'name that one, or set it to "" to export none'
    )
    write_manifest(a, hashlib.sha256(b"pieces").hexdigest())
    opened(a, tokenizer=tokenizer)


def test_a_copy_is_found_under_another_name(write: Write, tmp_path: Path) -> None:
    a = write("a")
    for suffix in (".bin", ".idx"):
        shutil.copy(a + suffix, tmp_path / f"copy{suffix}")
    assert message(opened, a, str(tmp_path / "copy")) == (
        f'dataset.blend: "a" and "copy" hold the same {TOKENS} tokens in {DOCUMENTS} documents; '
        "name one of them, and give it epochs or a weight"
    )


def test_a_bin_longer_than_its_idx_says(write: Write) -> None:
    a = write("a")
    with Path(f"{a}.bin").open("ab") as stream:
        stream.write(bytes(4))
    assert message(opened, a) == f"dataset {a}: its .bin has 4004 bytes, its .idx needs 4000; run mathcoder tokenize again"


@pytest.fixture
def config(write: Write) -> Callable[..., RunConfig]:
    """Return a function that gives a recipe of two parts, of 13 and 63 samples where nothing is held out."""
    parts = [{"name": "b", "prefix": write("b", first=5000, documents=8)}, {"name": "a", "prefix": write("a")}]
    tables = ", ".join(f'{{name = "{part["name"]}", prefix = "{part["prefix"]}"}}' for part in parts)
    base = (
        f"dataset.blend=[{tables}]",
        "dataset.tokenizer=",
        "dataset.seq_length=16",
        "dataset.validation_fraction=0",
        "validation.interval_steps=0",
        "training.micro_batch_size=1",
        "optimizer.lr_warmup_steps=0",
        "checkpoint.interval_steps=0",
    )
    return lambda *overrides: load_config(RECIPE, [*base, *overrides])


def checked(config: RunConfig) -> None:
    check_blend(config, open_blend(config.dataset, 100_000, config.run.seed))


def test_a_step_larger_than_an_epoch(config: Callable[..., RunConfig]) -> None:
    assert message(checked, config("training.global_batch_size=77")) == (
        "dataset.blend: an epoch has 76 samples of 16 tokens, one step takes 77; "
        "make the global batch or the samples smaller, or add data"
    )
    checked(config("training.global_batch_size=76"))


def test_a_run_shorter_than_a_step(config: Callable[..., RunConfig]) -> None:
    length = ("training.steps=0", "training.global_batch_size=20")
    assert message(checked, config(*length, "training.epochs=0.25")) == (
        "training.epochs = 0.25: gives 19 samples, less than the 20 of one step; raise it, or make the global batch smaller"
    )
    checked(config(*length, "training.epochs=0.27"))


def test_a_part_too_short_to_hold_a_document_out(config: Callable[..., RunConfig]) -> None:
    held_out = ("dataset.validation_fraction=0.02", "validation.samples=0")
    assert message(checked, config(*held_out, "validation.interval_steps=5")) == (
        'dataset.validation_fraction = 0.02: holds no document of "b" out; raise it, or set validation.interval_steps to 0'
    )
    checked(config(*held_out))


def test_more_validation_samples_than_are_held_out(config: Callable[..., RunConfig]) -> None:
    held_out = ("dataset.validation_fraction=0.25", "validation.interval_steps=5")
    assert message(checked, config(*held_out, "validation.samples=5")) == (
        'validation.samples = 5: "b" has 4 held-out samples; lower it to that or to 0 for all, '
        "or raise dataset.validation_fraction"
    )
    checked(config(*held_out, "validation.samples=4"))


def test_a_dataset_made_anew_is_known_by_its_ends(config: Callable[..., RunConfig], write: Write, tmp_path: Path) -> None:
    recipe = config()
    blend = open_blend(recipe.dataset, 100_000, 1)
    identities = [part.identity for part in blend.parts]
    (tmp_path / "data.json").write_text(identities_text(identities))
    saved = read_identities(tmp_path / "data.json")
    assert saved == identities
    check_resumed_data(recipe, saved, identities)
    check_resumed_data(recipe, [], identities)  # a run older than its data.json

    now = [identities[0], replace(identities[1], ends_sha256=OTHER, tokenizer_sha256=ONE)]
    key = "dataset.blend.1.prefix"
    assert message(check_resumed_data, recipe, saved, now) == (
        f"dataset {recipe.dataset.blend[1].prefix}: the run began with 1000 tokens in 40 documents "
        f"(ends {identities[1].ends_sha256[:8]}), now it is 1000 tokens in 40 documents (ends 22222222, tokenizer 11111111); "
        f'put the old files back, or allow this with checkpoint.allow_changes = ["{key}"]'
    )
    check_resumed_data(config(f'checkpoint.allow_changes=["{key}"]'), saved, now)


@pytest.mark.parametrize("size", [0, 1, END_BYTES, END_BYTES + 1, 3 * END_BYTES])
def test_both_ends_are_hashed_and_no_byte_twice(tmp_path: Path, size: int) -> None:
    content = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8).tobytes()
    (tmp_path / "a.bin").write_bytes(content)
    ends = content if size <= 2 * END_BYTES else content[:END_BYTES] + content[-END_BYTES:]
    assert identify_part("a", str(tmp_path / "a"), size, 1).ends_sha256 == hashlib.sha256(ends).hexdigest()


def test_every_rule_is_broken_here() -> None:
    named = {rule.__name__ for rules in (blend_rules.PART_RULES, blend_rules.BLEND_RULES) for rule in rules}
    assert named == {
        "manifests_describe_their_datasets",
        "parts_have_one_tokenizer",
        "exported_tokenizer_is_there",
        "exported_tokenizer_is_that_of_the_parts",
        "parts_hold_different_data",
        "an_epoch_fills_a_step",
        "epochs_make_a_step",
        "every_part_has_held_out_samples",
        "held_out_samples_suffice",
    }
