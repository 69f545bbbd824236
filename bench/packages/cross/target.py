"""Systems and processors that wheels are compiled for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MACOS: Final = {"x86_64": "11.0", "arm64": "11.0"}
"""Oldest macOS that each processor's wheel promises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A system and processor, by the names that its tools give it.

    Attributes:
        name: the platform tag of the finished wheel.
        zig: the compiler's target.
        system: CMake's CMAKE_SYSTEM_NAME.
        processor: CMake's CMAKE_SYSTEM_PROCESSOR, and CMAKE_OSX_ARCHITECTURES on macOS.
        host: Python's platform, from which a build makes the tag; auditwheel then names the libc.
        suffix: of a compiled module of CPython 3.11.
    """

    name: str
    zig: str
    system: str
    processor: str
    host: str
    suffix: str

    @property
    def windows(self) -> bool:
        """Return True for Windows, where a module is linked to the DLL of Python."""
        return self.system == "Windows"

    @property
    def audited(self) -> bool:
        """Return True where auditwheel checks the symbols and names the libc."""
        return self.system == "Linux"


def _linux(processor: str, libc: str, name: str) -> Target:
    musl = libc == "musl"
    return Target(
        name=f"{name}_{processor}",
        zig=f"{processor}-linux-{libc}",
        system="Linux",
        processor=processor,
        host=f"linux-{processor}",
        suffix=f".cpython-311-{processor}-linux-{'musl' if musl else 'gnu'}.so",
    )


def _macos(processor: str) -> Target:
    zig = {"arm64": "aarch64"}.get(processor, processor)
    return Target(
        name=f"macosx_{MACOS[processor].replace('.', '_')}_{processor}",
        zig=f"{zig}-macos.{MACOS[processor]}",
        system="Darwin",
        processor=processor,
        host=f"macosx-{MACOS[processor]}-{processor}",
        suffix=".cpython-311-darwin.so",
    )


_ALL: Final = (
    _linux("x86_64", "gnu.2.17", "manylinux_2_17"),
    _linux("aarch64", "gnu.2.17", "manylinux_2_17"),
    _linux("x86_64", "musl", "musllinux_1_2"),
    _linux("aarch64", "musl", "musllinux_1_2"),
    _macos("arm64"),
    _macos("x86_64"),
    Target(
        name="win_amd64",
        zig="x86_64-windows-gnu",
        system="Windows",
        processor="AMD64",
        host="win-amd64",
        suffix=".cp311-win_amd64.pyd",
    ),
)
TARGETS: Final[Mapping[str, Target]] = {target.name: target for target in _ALL}
"""Every target by the tag of its wheel."""
