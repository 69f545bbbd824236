"""Build backend: scikit-build-core's, which falls back to numpy aloud.

A wheel without the compiled kernels bears the reason, `RECORD_NAME` beside its metadata: `twinlens
doctor` and the log tell it. Two variables decide, TWINLENS_PURE=1 (compile nothing) and
TWINLENS_NATIVE=required (fail where the kernels do not compile).
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Final

from scikit_build_core import build as backend
from scikit_build_core.errors import NotFoundError
from twinlens_wishes import NATIVE, PURE, first_error, is_pure, is_required

Settings = dict[str, Any] | None

RECORD_NAME: Final = "without_kernels.txt"
ASKED: Final = f"it was built with {PURE}=1"
AFTER_S: Final = 5
"""Seconds that the last lines of a build may take."""


build_sdist = backend.build_sdist
get_requires_for_build_sdist = backend.get_requires_for_build_sdist


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """Return the needs of a build: CMake and Ninja where the system has none."""
    return list(backend.get_requires_for_build_wheel(_settings(config_settings)))


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """Return the needs of an editable build."""
    return list(backend.get_requires_for_build_editable(_settings(config_settings)))


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: Settings = None
) -> str:
    """Write the metadata of a wheel, and return its folder."""
    return str(
        backend.prepare_metadata_for_build_wheel(metadata_directory, _settings(config_settings))
    )


def prepare_metadata_for_build_editable(
    metadata_directory: str, config_settings: Settings = None
) -> str:
    """Write the metadata of an editable installation, and return its folder."""
    return str(
        backend.prepare_metadata_for_build_editable(metadata_directory, _settings(config_settings))
    )


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build a wheel, and return its name."""
    return _build(backend.build_wheel, wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel of an editable installation, and return its name."""
    return _build(backend.build_editable, wheel_directory, config_settings, metadata_directory)


def _build(build: Callable[..., str], folder: str, settings: Settings, metadata: str | None) -> str:
    if is_pure():
        return _without_kernels(build, ASKED, folder, settings)
    required = is_required()
    with _copied_output() as copies:
        try:
            return build(folder, settings, metadata)
        except SystemExit:
            missing = ""
        except NotFoundError as error:
            missing = str(error)
    reason = f"the kernels did not compile: {missing or first_error(copies[0])}"
    if required:
        raise SystemExit(f"twinlens: {NATIVE}=required, and {reason}")
    sys.stderr.write(f"\ntwinlens: WARNING: numpy will serve instead, slower; {reason}\n\n")
    return _without_kernels(build, reason, folder, settings)


def _without_kernels(
    build: Callable[..., str], reason: str, folder: str, settings: Settings
) -> str:
    """Build the same packages without CMake, and the reason beside their metadata."""
    # The metadata that were prepared have the tags of a compiled wheel: their folder is not passed.
    with tempfile.TemporaryDirectory() as work:
        record = Path(work) / RECORD_NAME
        record.write_text(f"{reason}\n", encoding="utf-8")
        place = f"${{SKBUILD_METADATA_DIR}}/{RECORD_NAME}"
        pure = {**_pure(settings), f"wheel.force-include.{record}": place}
        return build(folder, pure, None)


def _settings(settings: Settings) -> Settings:
    return _pure(settings) if is_pure() else settings


def _pure(settings: Settings) -> dict[str, Any]:
    return {**(settings or {}), "wheel.cmake": "false", "wheel.py-api": "py3"}


@contextmanager
def _copied_output() -> Iterator[list[str]]:
    """Copy the output of this process and its children; the list has the text at the end."""
    chunks: list[bytes] = []
    copies: list[str] = []
    kept = os.dup(1), os.dup(2)
    reading, writing = os.pipe()

    def copy() -> None:
        while chunk := os.read(reading, 2**16):
            chunks.append(chunk)
            os.write(kept[0], chunk)

    reader = Thread(target=copy, daemon=True)
    reader.start()
    try:
        for number in (1, 2):
            os.dup2(writing, number)
        os.close(writing)
        yield copies
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, original in zip((1, 2), kept, strict=True):
            os.dup2(original, number)
        # What a build leaves running, as the server of a compiler's cache, holds the pipe open.
        reader.join(timeout=AFTER_S)
        if not reader.is_alive():
            for number in (*kept, reading):
                os.close(number)
        copies.append(b"".join(chunks).decode(errors="replace"))
