"""Documents to completions: an LLM server and its client on nodes that are apart, or a model in the client itself."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from megatron_mathcoder.launching.attempts import AttemptLog
from tests.launch.chain import ALL, Chain
from tests.launch.scenario import Pair, high_job, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
Record = Callable[[str, str], None]
IN_FLIGHT = 8

# As much of vLLM as `translate --translator vllm` asks for.
VLLM = """
from types import SimpleNamespace as Any
class LLM:
    def __init__(self, model):
        print("loads", model, flush=True)
        self.queued, self.llm_engine = [], self
    def enqueue_chat(self, turns, sampling, use_tqdm):
        self.queued.append(str(len(self.queued)))
        return self.queued[-1:]
    def step(self):
        ended, self.queued = self.queued, []
        reply = Any(text="**Expression:** $1 + 2$\\n**Result:** 3\\n**Code:**\\n```python\\nprint(1 + 2)\\n```",
                    finish_reason="stop", token_ids=[1], logprobs=None)
        return [Any(finished=True, outputs=[reply], prompt_token_ids=[1], request_id=name) for name in ended]
class SamplingParams(Any): pass
class StructuredOutputsParams(Any): pass
"""


class Translation(Chain):
    """One translation, its server's notes, and its parts."""

    def __init__(self, folder: Path, pair: Pair) -> None:
        super().__init__(folder, pair)
        self.notes = folder / "notes"
        self.serve()

    def serve(self, *options: str, limit: int = 3) -> None:
        """Have jobs start the server with ``options``, and give up after ``limit`` crashes."""
        lines = f'LLM_SERVER=("$HOST_PYTHON" -m tests.launch.llm_server --notes {self.notes} {" ".join(options)})\n'
        with self.site.open("a") as site:
            site.write(f"{lines}SERVER_SECONDS=60\nCRASH_LIMIT={limit}\n")

    def translate(self, *options: str, parts: int = 1, model: str = "tiny", translator: str = "openai") -> str:
        """Submit the translation."""
        verb = ["translate", str(self.inputs), "--output", str(self.output), "--workers", "1", "--model", "tiny"]
        verb += ["--translator", translator, "--requests-in-flight", str(IN_FLIGHT)]
        return self.submit("translate", parts, verb, *options, model=model)

    def answered(self) -> list[str]:
        """Return the lines that the server has noted: prompt and client's address."""
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def servers(self) -> list[psutil.Process]:
        """Return the server's processes, not the srun that started one."""
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if (words := process.info["cmdline"] or []) and str(self.notes) in words and words[0] != "srun"
            if not Path(words[0]).name.startswith("slurm")
        ]

    def judge(self) -> str:
        """Check that every document has one completion and every answer one row, and return how often something was repeated."""
        assert self.documents() == ALL
        rows = [json.loads(line) for path in Path(f"{self.output}.requests").glob("log*.jsonl") for line in path.open()]
        assert max(Counter(row["key"] for row in rows).values()) == 1
        repeated = sum(count - 1 for count in Counter(line.split()[0] for line in self.answered()).values())
        assert repeated <= IN_FLIGHT + 1  # what was under way, and perhaps the probe
        wait_until(lambda: not self.servers(), "the server is gone", 30)
        return f"{ALL} documents, {repeated} requests sent twice"


@pytest.fixture
def translation(tmp_path: Path, pair: Pair) -> Translation:
    return Translation(tmp_path, pair)


def outcomes(translation: Translation, name: str = "translate") -> list[str]:
    return [each.end.outcome for each in AttemptLog(translation.folder, name).read() if each.end]


def test_a_server_and_its_client_on_another_node(translation: Translation, pair: Pair, record_property: Record) -> None:
    """Server on the first node, client on the second, over the network between them."""
    translation.translate("--nodes=2")
    translation.wait()
    assert outcomes(translation) == ["finished"], translation.log("translate")
    client = f"10.77.0.{100 + 2 * pair.number}" if Path("/run/netns/mathcoder-1").exists() else "127.0.0.1"
    assert {line.split()[1] for line in translation.answered()} == {client}
    record_property("outcome", f"finished; {translation.judge()}")


def test_a_server_that_dies(translation: Translation, record_property: Record) -> None:
    """SIGKILL of the server while it is asked: the job comes back with another and asks for the rest."""
    translation.translate("--nodes=2")
    wait_until(lambda: len(translation.answered()) > 40, "answers")
    for server in translation.servers():
        server.kill()
    translation.wait()
    assert outcomes(translation) == ["crashed", "finished"], translation.log("translate")
    assert " tiny ended before its client; what it answered is kept" in translation.log("translate")
    record_property("outcome", f"crashed, finished; {translation.judge()}")


def test_a_server_that_never_comes_up(translation: Translation, record_property: Record) -> None:
    """It starts and says nothing: the client is never started, and nothing is left behind."""
    translation.serve("--mute", limit=2)
    with translation.site.open("a") as site:
        site.write("SERVER_SECONDS=3\n")
    translation.translate()
    translation.wait()
    assert outcomes(translation) == ["crashed", "gave up"]
    log = translation.log("translate")
    assert len(re.findall(r" tiny did not answer at http://127\.0\.0\.1:\d+/v1 within 3 s \(SERVER_SECONDS\)", log)) == 2
    wait_until(lambda: not translation.servers(), "the server is gone", 30)
    record_property("outcome", "crashed, gave up; did not answer within 3 s (SERVER_SECONDS); no server is left")


def test_a_translation_is_preempted(translation: Translation, pair: Pair, record_property: Record) -> None:
    """SIGTERM ends server and client; that is no crash."""
    translation.serve(limit=1)
    translation.translate("--nodes=2")
    wait_until(lambda: len(translation.answered()) > 40, "answers")
    high_job(pair, 1)
    translation.wait()
    assert outcomes(translation) == ["preempted", "finished"], translation.log("translate")
    record_property("outcome", f"preempted, finished; {translation.judge()}")


def test_a_translation_without_a_server(translation: Translation, tmp_path: Path, record_property: Record) -> None:
    """Two parts, each with the model in its own process."""
    package = tmp_path / "packages" / "vllm"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(VLLM)
    (package / "sampling_params.py").write_text("from vllm import StructuredOutputsParams\n")
    (package / "exceptions.py").write_text("class VLLMClientError(Exception): pass\n")
    with translation.site.open("a") as site:
        site.write(f"export PYTHONPATH={package.parent}\n")
    translation.translate("--array=1-2", parts=2, model="-", translator="vllm")
    translation.wait()
    assert [outcomes(translation, f"translate-{part}-of-2") for part in (1, 2)] == [["finished"]] * 2
    assert "loads tiny" in translation.log("translate", 1)
    assert "loads tiny" in translation.log("translate", 2)
    record_property("outcome", f"2 parts finished; {translation.judge()}")
