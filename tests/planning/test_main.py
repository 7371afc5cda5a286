"""``mathcoder plan`` as a person meets it: what it prints, what it refuses and how, and that it needs no torch."""

import json
import re
import subprocess
import sys

import pytest

from megatron_mathcoder import cli
from megatron_mathcoder.config.architectures import ARCHITECTURES
from tests.repository import RECIPES, ROOT

LLAMA3 = str(RECIPES / "llama3_8b.toml")
RECIPE_NAMES = sorted(path.name for path in RECIPES.glob("*.toml") if "[training]" in path.read_text())
ON_H100 = ["--gpus", "64", "--gpu", "h100"]


def plan(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(["plan", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("recipe", RECIPE_NAMES)
def test_every_recipe_has_a_plan(recipe, capsys):
    status, text, error = plan(capsys, str(RECIPES / recipe), "--gpus", "32", "--gpu", "a800")
    assert (status, error) == (0, "")
    for word in ("weights", "gradients", "optimizer", "activations", "logits", "peak", "tokens/s", "checkpoint", "layout"):
        assert word in text
    assert max(map(len, text.splitlines())) < 320


def test_json_says_what_the_text_says(capsys):
    _, text, _ = plan(capsys, LLAMA3, *ON_H100, "--epoch-tokens", "19.2e9")
    status, output, _ = plan(capsys, LLAMA3, *ON_H100, "--epoch-tokens", "19.2e9", "--json", "--top", "3")
    result = json.loads(output)
    assert status == 0
    assert len(result["fitting"]) == 3
    own = result["own_layout"]
    memory = own["memory_bytes"]
    always = sum(memory[term] for term in ("weights", "gradients", "optimizer", "activations", "communication"))
    assert memory["peak"] == always + max(memory["logits"], memory["recomputed"] + memory["workspace"])
    assert f"{own['tokens_per_second']:,.0f} tokens/s" in text
    assert f"{own['days']:.1f} days with saves" in text
    assert result["parameters"] == 8_030_261_248
    assert result["steps"] == 13_733


def test_overrides_and_assumptions_change_the_plan(capsys):
    def own(*arguments: str) -> dict[str, float]:
        return json.loads(plan(capsys, LLAMA3, *ON_H100, "--json", *arguments)[1])["own_layout"]

    assert own("--mfu", "0.2")["step_seconds"]["compute"] == pytest.approx(2 * own()["step_seconds"]["compute"])
    assert own("--set", "training.micro_batch_size=2")["num_microbatches"] == own()["num_microbatches"] / 2
    assert own("--write-gbs", "4")["save_seconds"] == own()["save_seconds"] / 2
    assert not own("--headroom", "0.6")["fits"]


@pytest.mark.parametrize("recompute", ["selective", "none"])
def test_the_documentation_has_what_its_command_says(recompute: str, capsys):
    (line,) = [line for line in (ROOT / "docs" / "plan.md").read_text().splitlines() if f"→ recompute {recompute}:" in line]
    peak, rate, days = re.findall(r"([\d.]+) GiB of .* ([\d,]+) tokens/s, ([\d.]+) days", line)[0]
    machine = ("--gpus", "32", "--gpu", "a800", "--gpus-per-node", "4", "--epoch-tokens", "19.18e9", "--json")
    result = json.loads(plan(capsys, LLAMA3, *machine, "--set", f"training.recompute={recompute}")[1])["own_layout"]
    assert f"{result['memory_bytes']['peak'] / 2**30:.1f}" == peak
    assert (f"{result['tokens_per_second']:,.0f}", f"{result['days']:.1f}") == (rate, days)


def test_a_length_that_only_data_can_tell_is_not_guessed(capsys):
    _, text, _ = plan(capsys, LLAMA3, *ON_H100)
    assert "steps not known: give --epoch-tokens, the blend's files are not here" in text
    assert json.loads(plan(capsys, LLAMA3, *ON_H100, "--json")[1])["own_layout"]["days"] is None


def test_a_layout_the_gpus_do_not_allow_is_named_and_another_broken_down(capsys):
    status, text, _ = plan(capsys, str(RECIPES / "tiny_cpu.toml"), "--gpus", "32", "--gpu", "h100")
    assert status == 0
    assert "the recipe's own layout is not allowed here: training.global_batch_size = 16: must be a multiple of" in text
    assert "the fastest layout that fits: " in text


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--gpus", "64", "--gpu", "h1000"],
            "--gpu h1000: no such GPU; did you mean h100? known are a100-40, a100-80, a800, h100, h200, b200",
        ),
        (
            ["--gpus", "64", "--gpu", "tpu"],
            "--gpu tpu: no such GPU; known are a100-40, a100-80, a800, h100, h200, b200",
        ),
        (["--gpus", "0", "--gpu", "h100"], "--gpus 0: must be at least 1"),
        (
            ["--gpus", "12", "--gpu", "h100"],
            "--gpus 12: must be whole nodes of 8 (--gpus-per-node); the nearest is 16",
        ),
        (["--gpus", "8", "--gpu", "h100", "--mfu", "1.5"], "--mfu 1.5: must be above 0 and at most 1; 0.4 is usual"),
        (
            ["--gpus", "8", "--gpu", "h100", "--headroom", "1"],
            "--headroom 1.0: must be at least 0 and below 1; 0.08 is the default",
        ),
        (["--gpus", "8", "--gpu", "h100", "--write-gbs", "0"], "--write-gbs 0.0: must be above 0"),
        (
            ["--gpus", "8", "--gpu", "h100", "--epoch-tokens", "-1"],
            "--epoch-tokens -1.0: must be at least 0; 0 counts the blend's files",
        ),
        (
            ["--gpus", "1000000", "--gpu", "h100"],
            (
                f"--gpus 1000000: no layout of {LLAMA3} is allowed; training.global_batch_tokens = 4194304 is 512 samples: "
                "must be a multiple of training.micro_batch_size = 1 times 500000 data-parallel ranks; the nearest is 4096000000"
            ),
        ),
        (
            ["--gpus", "7", "--gpu", "h100"],
            (
                f"--gpus 7: no layout of {LLAMA3} is allowed; 7 ranks: must be a multiple of the 2 that hold one model "
                "(parallel.tensor_model_parallel_size = 2 x pipeline_model_parallel_size = 1 x context_parallel_size = 1); "
                "start 8 or lower one of these; --gpus 8 is the nearest number that has one"
            ),
        ),
        (
            ["--gpus", "1", "--gpu", "h100"],
            (
                "nothing fits on 1 × h100: the smallest layout (TP 1 PP 1 DP 1, micro-batch 1, recompute full) needs "
                "138.9 GiB of 73.3 GiB a GPU; use --gpus 2 or --gpu b200"
            ),
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_remedy(arguments, line, capsys):
    assert plan(capsys, LLAMA3, *arguments) == (2, "", f"mathcoder plan: {line}\n")


@pytest.mark.parametrize("remedy", [["--gpus", "2", "--gpu", "h100"], ["--gpus", "1", "--gpu", "b200"]])
def test_the_remedies_of_nothing_fits_do_fit(remedy, capsys):
    assert plan(capsys, LLAMA3, *remedy)[0] == 0


def test_no_gpu_is_asked_and_no_torch_is_loaded():
    """What keeps a plan under two seconds: measured by what is loaded, not by a clock."""
    program = (
        "import sys\n"
        "from megatron_mathcoder.cli import main\n"
        f"assert main(['plan', {LLAMA3!r}, '--gpus', '64', '--gpu', 'h100']) == 0\n"
        "heavy = {'torch', 'megatron', 'numpy', 'transformers'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_can_be_planned(architecture, capsys):
    model = f'model={{architecture="{architecture}"}}'
    status, text, error = plan(capsys, LLAMA3, "--gpus", "8", "--gpu", "h200", "--set", model, "--set", "dataset.seq_length=1024")
    assert (status, error) == (0, "")
    assert architecture in text
