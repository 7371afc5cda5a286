"""Imported once by the server process from which test ranks are forked."""

import logging

from megatron_mathcoder.config.schema import ParallelSection, PlatformSection
from megatron_mathcoder.platforms.ranks import Rank
from megatron_mathcoder.platforms.select import select_platform

logging.getLogger("megatron").setLevel(logging.ERROR)
select_platform(PlatformSection(name="cpu"), ParallelSection(), Rank(0, 0, 1, ""))
