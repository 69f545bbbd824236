"""The examples in the runtime's docstrings run."""

import doctest
from importlib import import_module
from pkgutil import walk_packages

import pytest

import twinlens

MODULES = [
    module.name
    for module in walk_packages(twinlens.__path__, prefix="twinlens.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_run(module: str) -> None:
    if module.startswith("twinlens.integrations."):
        pytest.importorskip(
            module, reason="needs the integrations extra", exc_type=ModuleNotFoundError
        )
    assert doctest.testmod(import_module(module)).failed == 0
