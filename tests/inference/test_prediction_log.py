"""A log of rows that survives a kill, and has failed work done again."""

from pathlib import Path

import pytest

from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.inference.prediction_log import PredictionLog, read_log


def test_a_log_cuts_half_a_line_off_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    with PredictionLog(path) as log:
        log.append({"id": "a"})
    with path.open("ab") as stream:
        stream.write(b'{"id": "b", "te')
    with PredictionLog(path) as log:
        assert list(log.rows) == ["a"]
        log.append({"id": "c"})
    assert path.read_text() == '{"id":"a"}\n{"id":"c"}\n'
    path.write_text("no json\n")
    with pytest.raises(DataError, match=r"p\.jsonl: line 1 is no row of ours"):
        PredictionLog(path)


def test_what_failed_is_taken_out_when_a_run_goes_on_and_kept_for_readers(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    with PredictionLog(path) as log:
        for name, ended in (("a", "answer"), ("b", "failed"), ("c", "length")):
            log.append({"id": name, "ended": ended})
    assert list(read_log(path)) == ["a", "b", "c"]
    with PredictionLog(path) as log:
        assert list(log.rows) == ["a", "c"]
        log.append({"id": "b", "ended": "answer"})
    assert [line[7:8] for line in path.read_text().splitlines()] == ["a", "c", "b"]


def test_one_run_writes_a_log_at_a_time_and_readers_leave_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    with PredictionLog(path) as log:
        log.append({"id": "a", "ended": "failed"})
        with path.open("ab") as stream:
            stream.write(b'{"id": "b"')
        with pytest.raises(DataError, match=r"another run is writing .*p\.jsonl; wait for it, or name another output"):
            PredictionLog(path)
        before = path.read_bytes()
        assert list(read_log(path)) == ["a"]
        assert path.read_bytes() == before
    with PredictionLog(path) as log, pytest.raises(DataError, match="another run"):
        PredictionLog(path)
