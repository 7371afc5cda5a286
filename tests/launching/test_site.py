"""Reading cluster_env.sh, and time limits in Slurm's forms."""

import subprocess
from pathlib import Path

import pytest

from megatron_mathcoder.config.errors import LaunchError
from megatron_mathcoder.launching.site import read_site, seconds
from tests.repository import ROOT


def test_the_file_in_the_repository() -> None:
    site = read_site(ROOT / "launch" / "cluster_env.sh")
    assert (site.ranks_per_node, site.gpu, site.time_limit, site.signal_seconds) == (8, "h100", "24:00:00", 300)
    assert site.options == ("--partition=gpu", "--gpus-per-node=8", "--cpus-per-task=12", "--exclusive")


@pytest.mark.parametrize(
    ("container", "before_a_command"),
    [
        ("none", ""),
        ("pyxis", f"--container-image=my.image --container-mounts=/data,/scratch --container-workdir={ROOT}"),
        ("apptainer", "apptainer exec --nv --bind /data,/scratch my.image"),
    ],
)
def test_each_container(container: str, before_a_command: str, tmp_path: Path) -> None:
    text = (ROOT / "launch" / "cluster_env.sh").read_text()
    text = text.replace("CONTAINER=none", f"CONTAINER={container}").replace("IMAGE=\n", "IMAGE=my.image\n", 1)
    (tmp_path / "site.sh").write_text(text)
    assert read_site(tmp_path / "site.sh").ranks_per_node == 8
    show = 'source "$0"; echo "${SRUN_OPTIONS[@]}" "${IN_CONTAINER[@]}"'
    shown = subprocess.run(["bash", "-euc", show, tmp_path / "site.sh"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == before_a_command


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("RANKS_PER_NODE=8", "RANKS_PER_NODE=all", r"RANKS_PER_NODE = 'all': must be a whole number of at least 1"),
        ("SIGNAL_SECONDS=300", "SIGNAL_SECONDS=", r"SIGNAL_SECONDS = '': must be a whole number"),
        ("TIME_LIMIT=24:00:00", "TIME_LIMIT=1d", r"TIME_LIMIT = '1d': must be minutes, H:M:S or D-H:M:S"),
        ("CONTAINER=none", "CONTAINER=docker", r"CONTAINER=docker: must be none, pyxis or apptainer"),
        ("GPU=h100", "", r"GPU: unbound variable; compare it with launch/cluster_env.sh"),
        ("TRAIN_OPTIONS=(", "TRAIN_OPTIONS=((", r"bash cannot read it"),
    ],
)
def test_what_is_wrong_is_named(before: str, after: str, message: str, tmp_path: Path) -> None:
    text = (ROOT / "launch" / "cluster_env.sh").read_text()
    assert before in text
    (tmp_path / "site.sh").write_text(text.replace(before, after, 1))
    with pytest.raises(LaunchError, match=message):
        read_site(tmp_path / "site.sh")


def test_a_missing_file() -> None:
    with pytest.raises(LaunchError, match=r"--site nowhere\.sh: no such file; give a copy of launch/cluster_env\.sh"):
        read_site(Path("nowhere.sh"))


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("90", 5400), ("1:30", 90), ("24:00:00", 86_400), ("2-0", 172_800), ("1-1:30", 91_800), ("1-01:30:15", 91_815)],
)
def test_time_limits(limit: str, expected: int) -> None:
    assert seconds(limit, "--time") == expected


@pytest.mark.parametrize("limit", ["", "1h", "1:2:3:4", "-1", "1-"])
def test_no_time_limit(limit: str) -> None:
    with pytest.raises(LaunchError, match="--time = "):
        seconds(limit, "--time")
