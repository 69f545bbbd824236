"""Packages unpacked into a folder for another system, whose Python has no pip of its own."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def unpack(
    site: Path,
    wheel: Path,
    packages: Sequence[str],
    *,
    version: tuple[int, int],
    platforms: Sequence[str],
) -> Path:
    """Put a wheel and packages of some platforms into a folder, from nothing; return it.

    Raises:
        subprocess.CalledProcessError: pip found no wheel of a package.
    """
    shutil.rmtree(site, ignore_errors=True)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    install += ["--only-binary=:all:", f"--python-version={version[0]}.{version[1]}"]
    install += [f"--platform={platform}" for platform in platforms]
    subprocess.run([*install, f"--target={site}", str(wheel), *packages], check=True)
    return site
