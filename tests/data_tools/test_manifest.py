import re
from pathlib import Path

import pytest

from data_tools.manifest import check_conservation, check_rejected, code_version, finished_manifest, identity
from megatron_mathcoder import __version__
from megatron_mathcoder.config.errors import DataError


def test_a_lost_document_is_a_defect() -> None:
    check_conservation(5, 3, 2)
    with pytest.raises(RuntimeError, match="documents were lost: 5 in, 3 out \\+ 1 dropped"):
        check_conservation(5, 3, 1)


def test_the_share_of_bad_rows_may_reach_its_limit_and_no_more() -> None:
    check_rejected(1, 100, 0.01, Path("x"))
    check_rejected(0, 0, 0.01, Path("x"))
    with pytest.raises(
        DataError, match=r"2 of 100 rows \(2.0%\) could not be read, more than --max-reject-fraction 0.01; see x, "
    ):
        check_rejected(2, 100, 0.01, Path("x"))


def test_version_and_commit() -> None:
    version = code_version()
    assert version["mathcoder_version"] == __version__
    assert version["git_commit"] is None or re.fullmatch(r"[0-9a-f]{40}(-dirty)?", version["git_commit"])


def test_what_makes_two_outputs_the_same(tmp_path: Path) -> None:
    wanted = identity("s", {"a": 1}, [{"path": "x", "sha256": "1"}], {"path": "t", "sha256": "2"})
    path = tmp_path / "manifest.json"
    assert finished_manifest(path, wanted, overwrite=False) is None
    path.write_text(
        '{"format":1,"stage":"s","settings":{"a":1},"inputs":[{"path":"y","sha256":"1"}],"tokenizer":{"path":"u","sha256":"2"},"n":3}'
    )
    found = finished_manifest(path, wanted, overwrite=False)
    assert found is not None
    assert found["n"] == 3
    assert finished_manifest(path, wanted, overwrite=True) is None
    for other, message in [
        (wanted | {"settings": {"a": 2}}, "setting a: 1 there, 2 now"),
        (wanted | {"settings": {"a": 1, "b": None}} | {"inputs": []}, "made from other inputs"),
        (wanted | {"tokenizer": {"sha256": "3"}}, "made with another tokenizer"),
        (wanted | {"stage": "t"}, "made with another stage"),
    ]:
        with pytest.raises(DataError) as error:
            finished_manifest(path, other, overwrite=False)
        assert f"{path} belongs to another output ({message})" in str(error.value)
    path.write_text("{")
    with pytest.raises(DataError, match="is not readable as JSON; remove it or add --overwrite"):
        finished_manifest(path, wanted, overwrite=False)
