"""Which folders of the inputs are stages of which component.

Decides: that ``STAGE/COMPONENT`` below a recipe's folder, or a folder of documents on its own, is a stage of the component of its
name; the order of the stages; and that inputs which have the same stage of the same name have a component each. An annotated
sample is beside the stages, not one of them (``rounds.py``).
Does not: read documents (``survey.py``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_tools.report.manifests import read_json
from megatron_mathcoder.config.errors import DataError

STAGES = ("prepare", "filter", "execute", "decontaminate", "dedup")
BESIDE = ("annotate",)


@dataclass(frozen=True, slots=True)
class ComponentFolders:
    """Where a component is: its folder's name, its stages' folders in order, and the inputs of the report that have them.

    ``title`` is the name, with the input behind it where two inputs have a component of that name.
    """

    name: str
    title: str
    folders: list[Path]
    roots: list[Path]


def find_components(inputs: Sequence[Path]) -> list[ComponentFolders]:
    """Return the components that are in the inputs. Raises DataError when there is none."""
    found: dict[str, dict[Path, list[Path]]] = {}
    for root in inputs:
        manifests = [root / "manifest.json"] if (root / "documents").is_dir() else sorted(root.rglob("manifest.json"))
        for manifest in manifests:
            if (manifest.parent / "documents").is_dir() and ".partial" not in str(manifest) and not _is_beside(manifest):
                found.setdefault(manifest.parent.resolve().name, {}).setdefault(root, []).append(manifest.parent)
    if not found:
        named = ", ".join(map(str, inputs))
        raise DataError(
            f"{named} holds no folder with documents/ and manifest.json; name what mathcoder prepare or data has made"
        )
    return [component for name, by_root in found.items() for component in _of_one_name(name, by_root)]


def _of_one_name(name: str, by_root: dict[Path, list[Path]]) -> list[ComponentFolders]:
    """Return one component, whose stages several inputs may have, or, where two have the same stage of that name, one each."""
    folders = [folder for each in by_root.values() for folder in each]
    if len({stage_name(folder) for folder in folders}) == len(folders):
        return [ComponentFolders(name, name, sorted(folders, key=_stage_order), list(by_root))]
    return [ComponentFolders(name, f"{name} ({root})", sorted(each, key=_stage_order), [root]) for root, each in by_root.items()]


def stage_name(folder: Path) -> str:
    """Return the name of the stage that made a folder; a recipe's two rounds of filtering are ``filter-1`` and ``filter-2``."""
    name = str(read_json(folder / "manifest.json").get("stage", folder.parent.name))
    return folder.parent.name if folder.parent.name.startswith(f"{name}-") else name


def _is_beside(manifest: Path) -> bool:
    return read_json(manifest).get("stage") in BESIDE


def _stage_order(folder: Path) -> tuple[int, str]:
    name = read_json(folder / "manifest.json").get("stage", "")
    return (STAGES.index(name) if name in STAGES else len(STAGES), str(folder))
