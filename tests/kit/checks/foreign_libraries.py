"""Libraries of the integrations extra."""

import importlib
import os
from types import ModuleType
from typing import Any

import pytest


def require(module: str) -> Any:  # noqa: ANN401  libraries of any type
    """Import a library, or skip the test; with TWINLENS_ALL_INTEGRATIONS=1 no skip is allowed."""
    if os.environ.get("TWINLENS_ALL_INTEGRATIONS") == "1":
        return importlib.import_module(module)
    found: ModuleType = pytest.importorskip(module, reason=f"{module} is of the integrations extra")
    return found


def integration(name: str, *, library: str) -> Any:  # noqa: ANN401  its module
    """Import twinlens.integrations.NAME, or skip the test if its library is not installed."""
    require(library)
    return importlib.import_module(f"twinlens.integrations.{name}")
