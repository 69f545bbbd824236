"""A Python with a wheel and its dependencies, and the tests that it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

TESTERS: Final = ("pytest", "hypothesis")
UNPACKED: Final = (
    "numpy",
    "pillow",
    "tokenizers",
    "tqdm",
    *TESTERS,
    "colorama",
    "iniconfig",
    "packaging",
    "pluggy",
    "pygments",
    "sortedcontainers",
)
"""Needs of a wheel and of the tests, for places where pip only unpacks."""
ORT: Final = ("flatbuffers", "onnxruntime", "protobuf")
ALL: Final = ("tests/kernels", "--ignore=tests/kernels/isa")
"""Tests that need no towers."""
SOME: Final = (
    "tests/kernels/test_kernels.py",
    "tests/kernels/test_resample.py",
)
"""Those of them that an emulated processor ends within minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A Python with a wheel and its dependencies.

    Attributes:
        name: for people.
        command: starts the Python.
        environment: variables of it.
        towers: False where onnxruntime has no wheel, so that the kernels alone can run.
        limits_memory: True where a limit of memory holds: not by qemu, and not on Windows.
        tests: arguments of pytest.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    towers: bool = True
    limits_memory: bool = False
    tests: Sequence[str] = ALL
