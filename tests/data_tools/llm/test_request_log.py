from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from data_tools.llm.interface import Choice, Reply, Request, Sampling
from data_tools.llm.request_log import RequestLog
from megatron_mathcoder.config.errors import DataError


class Echo:
    """A language model that answers with the prompt; ``poison`` dies, ``refused`` is refused."""

    name = "echo"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def complete(self, requests: Iterable[Request]) -> Iterator[Reply]:
        for request in requests:
            self.asked.append(request.text)
            if request.text == "poison":
                yield Reply(request=request, outcome="dead", error="it died", attempts=3)
            elif request.text == "refused":
                yield Reply(request=request, outcome="failed", error="status 400: too long")
            else:
                yield Reply(request=request, outcome="ok", choices=(Choice(request.text, "stop"),), completion_tokens=2)


def requests(*prompts: str, seed: int = 0) -> list[Request]:
    return [Request(prompt, Sampling(max_tokens=8, seed=seed)) for prompt in prompts]


def test_every_request_ends_once(tmp_path: Path) -> None:
    model = Echo()
    with RequestLog(tmp_path) as log:
        found = log.fill(model, requests("a", "b", "a", "poison"))
        assert (found.asked, found.ok, found.dead, found.completion_tokens) == (3, 2, 1, 4)
        assert model.asked == ["a", "b", "poison"]
    with RequestLog(tmp_path) as log:
        found = log.fill(model, requests("poison", "b", "c"))
        assert (found.asked, found.earlier) == (1, 2)
        assert model.asked == ["a", "b", "poison", "c"]
        (request,) = requests("b")
        reply = log.reply(request.key("echo"), request)
        assert reply is not None
        assert (reply.outcome, reply.choices[0].text) == ("ok", "b")
    with RequestLog(tmp_path) as log:
        found = log.fill(model, requests("refused"))
        assert (found.failed, found.error) == (1, "status 400: too long")
    with RequestLog(tmp_path, retry_dead=True) as log:
        assert log.fill(model, requests("poison", "refused", "a")).asked == 2


def test_the_key_is_what_was_asked_of_whom(tmp_path: Path) -> None:
    (plain,) = requests("a")
    (other,) = requests("a", seed=1)
    tagged = Request("a", plain.sampling, tag="mine")
    assert len({plain.key("m"), other.key("m"), plain.key("n")}) == 3
    assert tagged.key("m") == plain.key("m")


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_torn_tail_costs_one_row(tmp_path: Path, cut: int) -> None:
    with RequestLog(tmp_path) as log:
        log.fill(Echo(), requests("a", "b", "c"))
    path = tmp_path / "log.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    model = Echo()
    with RequestLog(tmp_path) as log:
        log.fill(model, requests("a", "b", "c"))
    assert model.asked == ["c"]
    with RequestLog(tmp_path) as log:
        assert log.fill(model, requests("a", "b", "c")).asked == 0


def test_a_damaged_row_is_asked_again(tmp_path: Path) -> None:
    with RequestLog(tmp_path) as log:
        log.fill(Echo(), requests("a", "b"))
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"#" + path.read_bytes()[1:])
    model = Echo()
    with RequestLog(tmp_path) as log:
        log.fill(model, requests("a", "b"))
    assert model.asked == ["a"]


def test_writers_have_files_of_their_own_and_read_all(tmp_path: Path) -> None:
    with RequestLog(tmp_path, "log-1-of-2") as log:
        log.fill(Echo(), requests("a"))
        with pytest.raises(DataError, match=r"another run is writing .*log-1-of-2\.jsonl"):
            RequestLog(tmp_path, "log-1-of-2").__enter__()
    model = Echo()
    with RequestLog(tmp_path, "log-2-of-2") as log:
        log.fill(model, requests("a", "b"))
    assert model.asked == ["b"]


def test_a_lost_request_is_a_defect(tmp_path: Path) -> None:
    class Loses(Echo):
        def complete(self, requests: Iterable[Request]) -> Iterator[Reply]:
            yield from list(super().complete(requests))[1:]

    with RequestLog(tmp_path) as log, pytest.raises(RuntimeError, match="requests were lost: 2 asked, 1 ok"):
        log.fill(Loses(), requests("a", "b"))
