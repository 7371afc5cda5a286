"""The wrong apex stops a run before megatron-core meets it; NVIDIA's does not; neither is imported."""

import sys
from pathlib import Path

import pytest

from megatron_mathcoder.config.errors import PlatformError
from megatron_mathcoder.platforms import doctor
from megatron_mathcoder.platforms.apex import refuse_wrong_apex


def install(folder: Path, version: str, *modules: str) -> None:
    """Write what pip would leave in site-packages for a distribution called apex."""
    metadata = folder / f"apex-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: apex\nVersion: {version}\n")
    for module in modules:
        path = folder / "apex" / module
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise AssertionError('this must not be imported')\n")


def test_pyramids_apex_is_refused_and_never_imported(tmp_path, monkeypatch, capsys):
    install(tmp_path, "0.9.10.dev0", "__init__.py", "models.py")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PlatformError) as caught:
        refuse_wrong_apex()
    assert str(caught.value) == (
        f"the module apex at {tmp_path}/apex/__init__.py is not NVIDIA's (it has no apex.optimizers), and megatron-core would "
        "mistake it for NVIDIA's; remove it: pip uninstall apex (version 0.9.10.dev0); nothing here needs apex"
    )
    assert doctor.run([]) == 1
    text = capsys.readouterr().out
    assert f"WRONG ONE at {tmp_path}/apex/__init__.py" in text
    assert "wrong apex: remove it: pip uninstall apex (version 0.9.10.dev0)" in text
    assert "apex" not in sys.modules


def test_a_folder_called_apex_is_refused_too(tmp_path, monkeypatch):
    (tmp_path / "apex").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PlatformError, match="rename it, or take its folder off"):
        refuse_wrong_apex()


def test_nvidias_apex_is_accepted_and_not_imported(tmp_path, monkeypatch, capsys):
    install(tmp_path, "0.1", "__init__.py", "optimizers/__init__.py")
    monkeypatch.syspath_prepend(tmp_path)
    refuse_wrong_apex()
    assert doctor.run([]) == 0
    assert "NVIDIA's" in capsys.readouterr().out
    assert "apex" not in sys.modules
