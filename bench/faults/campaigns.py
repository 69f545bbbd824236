"""Table of the campaigns, each in a file of its name."""

import importlib
from types import MappingProxyType
from typing import Final

from bench.faults.campaign import Campaign

CAMPAIGNS: Final = MappingProxyType(
    {
        "bundles": "Bundles",
        "images": "Images",
        "tables": "Tables",
        "graphs": "Graphs",
        "forks": "Forks",
        "memory_limits": "MemoryLimits",
        "planted": "Planted",
    }
)
"""Class in each file; a campaign is imported only when it is asked for."""
PLANTED: Final = "planted"
"""Faults made on purpose, with which the harness itself is tested; no part of a full run."""


def campaign_of(name: str) -> Campaign:
    """Return the campaign of that name."""
    module = importlib.import_module(f"bench.faults.{name}")
    found: Campaign = getattr(module, CAMPAIGNS[name])()
    return found
