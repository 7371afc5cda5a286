from pathlib import Path

from data_tools.manifest import identity
from data_tools.partial_folder import PartialFolder


def test_overwrite_clears_unfinished_work_for_another_output_only(tmp_path: Path) -> None:
    first, second = identity("s", {"a": 1}, []), identity("s", {"a": 2}, [])
    with PartialFolder(tmp_path / "p", first, overwrite=False) as folder:
        (folder.path / "output").mkdir()
        (folder.path / "work").touch()
    with PartialFolder(tmp_path / "p", first, overwrite=True) as folder:
        assert (folder.path / "work").exists()
    with PartialFolder(tmp_path / "p", second, overwrite=True) as folder:
        assert sorted(path.name for path in folder.path.iterdir()) == ["lock", "plan.json"]
        folder.remove()
    assert list(tmp_path.iterdir()) == []
