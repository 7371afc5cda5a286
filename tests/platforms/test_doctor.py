"""The doctor tells the truth about packages, GPUs and the wrong apex, also on a machine that has nothing."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

from megatron_mathcoder.platforms import doctor
from tests.repository import ROOT


def make_distribution(folder: Path, name: str, version: str) -> None:
    """Write the metadata that pip would leave in site-packages."""
    metadata = folder / f"{name}-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def doctor_on_bare_python(*folders: Path) -> tuple[int, dict]:
    """Run ``mathcoder doctor --json`` with no site-packages but the given folders."""
    program = (
        f"import sys; sys.path[:0] = {[str(ROOT), *map(str, folders)]!r}\n"
        "from megatron_mathcoder.cli import main; sys.exit(main(['doctor', '--json']))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def can(report: dict) -> dict[str, bool]:
    return {capability["name"]: capability["can"] for capability in report["capabilities"]}


def remedies(report: dict) -> dict[str, str]:
    return {capability["name"]: capability["remedy"] for capability in report["capabilities"]}


def test_requirements_are_those_of_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {"": project["dependencies"], **project["optional-dependencies"]}
    assert {extra: list(requirements) for extra, requirements in doctor.REQUIREMENTS.items()} == {
        extra: declared[extra] for extra in doctor.REQUIREMENTS
    }


def test_this_machine_runs_the_tests_so_it_can_do_all_but_gpu_and_slurm(capsys):
    assert doctor.run(["--json"]) == 0
    able = can(json.loads(capsys.readouterr().out))
    assert [name for name, yes in able.items() if not yes and "GPU" not in name and "Slurm" not in name] == []
    assert doctor.run([]) == 0
    text = capsys.readouterr().out
    for name, yes in able.items():
        assert f"  {'can   ' if yes else 'cannot'} {name}\n" in text + "\n"


def test_a_machine_with_nothing_installed():
    status, report = doctor_on_bare_python()
    assert status == 0
    assert report["torch"] == {"version": None, "loads": False, "cuda": None, "gpus": [], "problem": None}
    assert not any(yes for name, yes in can(report).items() if "Slurm" not in name)
    assert "pip install -c constraints.txt -e '.[train]'" in remedies(report)["train on CPU"]
    assert "torch is missing" in remedies(report)["train on CPU"]
    assert "torch" not in remedies(report)["prepare and tokenize data"]


def test_a_torch_that_does_not_load_is_a_finding(tmp_path):
    make_distribution(tmp_path, "torch", "2.13.0")
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so.13: cannot open shared object file')\n")
    status, report = doctor_on_bare_python(tmp_path)
    assert status == 0
    assert report["torch"]["version"] == "2.13.0"
    assert "torch does not load: libcudart.so.13: cannot open shared object file" in remedies(report)["train on CPU"]


def test_a_gpu_that_torch_does_not_see_names_the_reason():
    sees = {"version": "2.13.0", "loads": True, "cuda": "13.0", "gpus": [{"name": "H200"}], "problem": None}
    assert doctor._gpu_remedy(sees, "NVIDIA H200") == ""
    cpu_build = sees | {"version": "2.13.0+cpu", "cuda": None, "gpus": []}
    assert "torch 2.13.0+cpu is a CPU build: install torch's CUDA build" in doctor._gpu_remedy(cpu_build, "NVIDIA H200")
    assert "--set platform.name=cpu" in doctor._gpu_remedy(cpu_build, None)
    old_driver = sees | {"gpus": [], "problem": "CUDA initialization: The NVIDIA driver on your system is too old"}
    assert "driver on your system is too old" in doctor._gpu_remedy(old_driver, "NVIDIA H200")


def test_slurm_is_asked_for_its_version(tmp_path, monkeypatch, capsys):
    sbatch = tmp_path / "sbatch"
    sbatch.write_text("#!/bin/sh\necho slurm 24.11.1\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert doctor.run(["--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["slurm"] == "slurm 24.11.1"
    assert can(report)["submit to Slurm"]
    sbatch.write_text("#!/bin/sh\nexit 1\n")
    assert doctor.run([]) == 0
    assert "no answer from sbatch: use a login node" in capsys.readouterr().out


def test_versions(tmp_path, monkeypatch):
    make_distribution(tmp_path, "torch_like", "2.4.0+cu121")
    monkeypatch.syspath_prepend(tmp_path)
    assert doctor.unmet("torch_like>=2.4") is None
    assert doctor.unmet("torch_like>=2.11") == "torch_like is 2.4.0+cu121, not >=2.11"
    assert doctor.unmet("torch_like==2.4.0") is None
    assert doctor.unmet("torch_like==2.4.1") == "torch_like is 2.4.0+cu121, not ==2.4.1"
    assert doctor.unmet("no-such-package>=1") == "no-such-package is missing"
