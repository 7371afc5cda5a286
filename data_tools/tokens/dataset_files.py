"""What ``mathcoder tokenize`` leaves for one tokenizer: ``PREFIX.bin``, ``PREFIX.idx`` and what lies beside them.

Decides: whether a dataset is finished, free to be made, or someone else's; how the slices become its files, and in which order
they get their names: ``PREFIX.manifest.json`` is written last and makes the dataset finished. ``PREFIX.rejected.jsonl`` has rows
``file``, ``line``, ``reason``; ``PREFIX.mask``, for conversations, one byte for each token of ``PREFIX.bin``, 1 where the loss of
predicting it counts. The trainer packs a dataset that has a mask into samples document by document (``dataset/packing.py``).
Does not: make slices (``tokenize_slice.py``), or lay out bytes (``indexed_writer.py``).

Merging needs the space of the dataset twice for a moment: the slices are removed only when the dataset is complete.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_tools.manifest import Record, check_conservation, check_rejected, code_version, finished_manifest
from data_tools.partial_folder import PartialFolder, remove_leftover
from data_tools.parts import concatenate, write_json
from data_tools.tokens.indexed_writer import ITEM_BYTES, dtype_name, idx_bytes, merge_idx
from data_tools.tokens.tokenize_slice import SliceFiles, Target
from megatron_mathcoder.config.errors import DataError


@dataclass(frozen=True, slots=True)
class Dataset:
    """One tokenizer's dataset. ``wanted`` is its identity (``manifest.py``)."""

    prefix: Path
    target: Target
    wanted: Record

    @property
    def partial_path(self) -> Path:
        """Where its slices are kept until the merge."""
        return Path(self.target.folder)

    def is_finished(self, overwrite: bool) -> bool:
        """Say whether it is there, from the same inputs; print so. Raises DataError: it is damaged, or another is there."""
        manifest = finished_manifest(sibling(self.prefix, ".manifest.json"), self.wanted, overwrite)
        if manifest is None:
            self._check_free(overwrite)
            return False
        _check_sizes(self.prefix, manifest)
        remove_leftover(self.partial_path, self.wanted)
        print(f"{self.prefix} is already there, from the same inputs and tokenizer: {_counts(manifest)}; nothing to do")
        return True

    def _check_free(self, overwrite: bool) -> None:
        """Refuse to replace a dataset that has no manifest, unless an interrupted run of ours put it there."""
        taken = [path for suffix in (".bin", ".idx") if (path := sibling(self.prefix, suffix)).exists()]
        if taken and not overwrite and not self.partial_path.exists():
            raise DataError(
                f"{taken[0]} exists without a manifest, so it is not known what it is; choose another --output or add --overwrite"
            )

    def publish(self, partial: PartialFolder, records: Sequence[Record], max_fraction: float) -> None:
        """Merge the slices and print what came of them. Raises DataError: too many rows could not be read, or none."""
        manifest = self.wanted | _totals(records) | {"dtype": dtype_name(self.wanted["tokenizer"]["vocab_size"])} | code_version()
        _publish(self.prefix, partial, len(records), manifest, max_fraction)
        markers = f"{'' if self.target.bos_id is None else 'one BOS and '}one EOD per document"
        print(f"{self.prefix}: {_counts(manifest)}, {manifest['dtype']}, {markers}")


def sibling(prefix: Path, suffix: str) -> Path:
    """Return the path of a file beside the dataset."""
    return prefix.with_name(prefix.name + suffix)


def _check_sizes(prefix: Path, manifest: Record) -> None:
    expected = {
        ".bin": manifest["tokens"] * ITEM_BYTES[manifest["dtype"]],
        ".idx": idx_bytes(manifest["documents"]),
    }
    if "loss_tokens" in manifest:
        expected[".mask"] = manifest["tokens"]
    for suffix, size in expected.items():
        path = sibling(prefix, suffix)
        found = path.stat().st_size if path.exists() else None
        if found != size:
            raise DataError(f"{path} should have {size} bytes by its manifest but has {found}; make it again with --overwrite")


def _totals(records: Sequence[Record]) -> Record:
    reasons: Counter[str] = Counter()
    for record in records:
        reasons.update(record["rejected_by_reason"])
    return {
        "rows": sum(record["rows"] for record in records),
        "documents": sum(record["documents"] for record in records),
        "tokens": sum(record["count"] for record in records),
        "slices_by_reference": sum(record.get("by_reference", 0) for record in records),
        **({"loss_tokens": sum(record["loss_tokens"] for record in records)} if "loss_tokens" in records[0] else {}),
        "rejected": sum(reasons.values()),
        "rejected_by_reason": dict(sorted(reasons.items())),
    }


def _publish(prefix: Path, partial: PartialFolder, count: int, manifest: Record, max_fraction: float) -> None:
    """Check the counts, merge the slices, and give the files their names, the manifest last."""
    check_conservation(manifest["rows"], manifest["documents"], manifest["rejected"])
    slices = [SliceFiles.of(partial.path, index) for index in range(count)]
    rejects = sibling(prefix, ".rejected.jsonl")
    concatenate(partial.path / "merged.rejected", [files.rejected for files in slices])
    (partial.path / "merged.rejected").replace(rejects)
    check_rejected(manifest["rejected"], manifest["rows"], max_fraction, rejects)
    if manifest["documents"] == 0:
        raise DataError(
            f"no documents in {len(manifest['inputs'])} input files ({manifest['rejected']} rejected rows); see {rejects}"
        )
    print(f"merging {count} slices, {manifest['tokens'] * ITEM_BYTES[manifest['dtype']] / 1e6:.1f} MB", flush=True)
    concatenate(partial.path / "merged.bin", [files.tokens for files in slices])
    if "loss_tokens" in manifest:
        concatenate(partial.path / "merged.mask", [files.mask for files in slices])
    merge_idx(partial.path / "merged.idx", [files.lengths for files in slices], manifest["documents"], manifest["dtype"])
    # Without the old manifest first, a stop between the next lines would leave it beside files it does not describe.
    sibling(prefix, ".manifest.json").unlink(missing_ok=True)
    sibling(prefix, ".mask").unlink(missing_ok=True)
    if "loss_tokens" in manifest:
        (partial.path / "merged.mask").replace(sibling(prefix, ".mask"))
    (partial.path / "merged.bin").replace(sibling(prefix, ".bin"))
    (partial.path / "merged.idx").replace(sibling(prefix, ".idx"))
    write_json(sibling(prefix, ".manifest.json"), manifest)
    partial.remove()


def _counts(manifest: Record) -> str:
    reasons = ", ".join(f"{count} {kind}" for kind, count in manifest["rejected_by_reason"].items())
    rejected = f"{manifest['rejected']} rejected" + (f" ({reasons})" if reasons else "")
    counted = f", {manifest['loss_tokens']:,} of them learned" if "loss_tokens" in manifest else ""
    return f"{manifest['rows']} rows = {manifest['documents']} documents + {rejected}; {manifest['tokens']:,} tokens{counted}"
