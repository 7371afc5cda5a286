"""A hostile pickle runs nothing, whichever file it hides in."""

import os
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest

from checkpoints_convert import restricted_pickle
from checkpoints_convert.megatron_to_hf import export
from megatron_mathcoder.config.errors import CheckpointError


class Hostile:
    """Unpickled with the standard library, it makes a file."""

    def __init__(self, evidence: Path, function=os.system) -> None:
        self.evidence, self.function = evidence, function

    def __reduce__(self):
        return self.function, (f"touch {self.evidence}",)


@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, print])
def test_a_pickle_can_call_nothing(function, tmp_path):
    data = pickle.dumps(Hostile(tmp_path / "evidence", function))
    for names in (restricted_pickle.METADATA_NAMES, restricted_pickle.WEIGHTS_NAMES, restricted_pickle.LEGACY_NAMES):
        with pytest.raises(CheckpointError, match=r"refused, its pickle is broken or not a checkpoint's \(it names \w+\.\w+\)"):
            restricted_pickle.load(data, tmp_path / "file", names)
    assert not (tmp_path / "evidence").exists()


def test_a_hostile_metadata_is_refused(tiny_checkpoint, tmp_path):
    checkpoint = shutil.copytree(tiny_checkpoint, tmp_path / "iter_0000001")
    (checkpoint / ".metadata").write_bytes(pickle.dumps(Hostile(tmp_path / "evidence")))
    with pytest.raises(CheckpointError, match="refused"):
        export(checkpoint, tmp_path / "hf")
    assert not (tmp_path / "evidence").exists()


def test_a_hostile_chunk_is_refused(tiny_checkpoint, tmp_path):
    """Every chunk of a data file is replaced by a zip of the same place and length whose data.pkl is hostile."""
    checkpoint = shutil.copytree(tiny_checkpoint, tmp_path / "iter_0000001")
    hostile = tmp_path / "hostile.zip"
    with zipfile.ZipFile(hostile, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Hostile(tmp_path / "evidence")))
    path = checkpoint / ".metadata"
    metadata = pickle.loads(path.read_bytes())
    for index, info in metadata.storage_data.items():
        if index.fqn == "decoder.final_layernorm.weight":
            (checkpoint / info.relative_path).write_bytes(hostile.read_bytes())
            info.offset, info.length = 0, hostile.stat().st_size
    path.write_bytes(pickle.dumps(metadata))
    with pytest.raises(CheckpointError, match=r"distcp"):
        export(checkpoint, tmp_path / "hf")
    assert not (tmp_path / "evidence").exists()


def test_metadata_cannot_name_files_elsewhere(tiny_checkpoint, tmp_path):
    checkpoint = shutil.copytree(tiny_checkpoint, tmp_path / "iter_0000001")
    path = checkpoint / ".metadata"
    metadata = pickle.loads(path.read_bytes())
    for info in metadata.storage_data.values():
        info.relative_path = "../secret"
    path.write_bytes(pickle.dumps(metadata))
    with pytest.raises(CheckpointError, match=r"a checkpoint's files lie in its own folder"):
        export(checkpoint, tmp_path / "hf")
