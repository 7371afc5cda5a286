"""Which ``apex`` is here, if any.

Decides: what counts as the wrong one, and stops a run that would meet it. Does not: import it; nothing here needs any apex.
"""

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from importlib.machinery import PathFinder

from megatron_mathcoder.config.errors import PlatformError


@dataclass(frozen=True, slots=True, kw_only=True)
class ApexState:
    """What ``import apex`` would find."""

    kind: str
    """``none``, ``nvidia``, or ``wrong``: something else that megatron-core would take for NVIDIA's."""
    location: str = ""
    remedy: str = ""


def find_apex() -> ApexState:
    """Look at the importable ``apex`` without importing it.

    megatron-core switches to NVIDIA apex's fused layers as soon as *any* module of that name can be imported, and then
    fails when it builds the model. NVIDIA's has ``apex.optimizers``; the package called ``apex`` on the Python Package
    Index is a toolkit for the Pyramid web framework and has not.
    """
    spec = importlib.util.find_spec("apex")
    if spec is None:
        return ApexState(kind="none")
    folders = list(spec.submodule_search_locations or [])
    location = spec.origin or ", ".join(folders)
    if PathFinder.find_spec("apex.optimizers", folders) is not None:
        return ApexState(kind="nvidia", location=location)
    try:
        remedy = f"remove it: pip uninstall apex (version {importlib.metadata.version('apex')})"
    except importlib.metadata.PackageNotFoundError:
        remedy = "rename it, or take its folder off sys.path"
    return ApexState(kind="wrong", location=location, remedy=remedy)


def refuse_wrong_apex() -> None:
    """Stop before megatron-core meets a module called ``apex`` that is not NVIDIA's.

    Raises:
        PlatformError: ``apex`` can be imported and has no ``apex.optimizers``.
    """
    apex = find_apex()
    if apex.kind == "wrong":
        raise PlatformError(
            f"the module apex at {apex.location} is not NVIDIA's (it has no apex.optimizers), and megatron-core would mistake it "
            f"for NVIDIA's; {apex.remedy}; nothing here needs apex"
        )
