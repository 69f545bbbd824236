"""The packages of drawings and words, each with its licence and a fixed version."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Role = Literal["train", "dev", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingPackage:
    """One set of drawings by one artist."""

    package: str
    version: str
    licence: str
    author: str
    role: Role = "train"
    weight: float = 1.0
    """Sampling weight of a drawing of this set in training, relative to the others."""


# Twemoji is the only set that covers every concept: it is the test set and is never trained on.
# OpenMoji is share-alike: it chooses between checkpoints and is not shipped.
DRAWINGS: Mapping[str, DrawingPackage] = {
    "noto": DrawingPackage(
        package="@iconify-json/noto", version="1.2.9", licence="Apache-2.0", author="Google"
    ),
    "noto-v1": DrawingPackage(
        package="@iconify-json/noto-v1", version="1.2.5", licence="Apache-2.0", author="Google"
    ),
    "fluent": DrawingPackage(
        package="@iconify-json/fluent-emoji", version="1.2.7", licence="MIT", author="Microsoft"
    ),
    "fluent-flat": DrawingPackage(
        package="@iconify-json/fluent-emoji-flat",
        version="1.2.6",
        licence="MIT",
        author="Microsoft",
    ),
    "fluent-contrast": DrawingPackage(
        package="@iconify-json/fluent-emoji-high-contrast",
        version="1.2.6",
        licence="MIT",
        author="Microsoft",
        weight=0.4,
    ),
    "fluent-3d": DrawingPackage(
        package="@lobehub/fluent-emoji-3d", version="1.1.0", licence="MIT", author="Microsoft"
    ),
    # The package says Apache-2.0, which is the code's; upstream, the drawings are CC BY.
    "fxemoji": DrawingPackage(
        package="@iconify-json/fxemoji", version="1.2.2", licence="CC-BY-4.0", author="Mozilla"
    ),
    "emojione": DrawingPackage(
        package="@iconify-json/emojione", version="1.2.3", licence="CC-BY-4.0", author="EmojiOne"
    ),
    "streamline": DrawingPackage(
        package="@iconify-json/streamline-emojis",
        version="1.2.4",
        licence="CC-BY-4.0",
        author="Streamline",
    ),
    "flag": DrawingPackage(
        package="@iconify-json/flag", version="1.2.12", licence="MIT", author="Panayiotis Lipiridis"
    ),
    "circle-flags": DrawingPackage(
        package="@iconify-json/circle-flags", version="1.2.11", licence="MIT", author="HatScripts"
    ),
    "openmoji": DrawingPackage(
        package="@iconify-json/openmoji",
        version="1.2.29",
        licence="CC-BY-SA-4.0",
        author="OpenMoji",
        role="dev",
    ),
    "twemoji": DrawingPackage(
        package="@iconify-json/twemoji",
        version="1.2.5",
        licence="CC-BY-4.0",
        author="Twitter",
        role="test",
    ),
}

WORD_VERSIONS: Mapping[str, str] = {
    "emojibase-data": "17.0.0",
    "cldr-annotations-full": "48.2.0",
    "cldr-annotations-derived-full": "48.2.0",
    "emojilib": "4.0.3",
    "lucide-static": "1.62.0",
    "@tabler/icons": "3.51.0",
}
"""Versions of the packages with names and keywords (MIT, Unicode-3.0, Unicode-3.0, MIT) and with
the tags of two icon sets (ISC, MIT)."""


def fetch(work: Path) -> Path:
    """Install every package under work/node_modules and return that folder."""
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm was not found; install Node.js to fetch the drawings")
    drawings = {drawn.package: drawn.version for drawn in DRAWINGS.values()}
    wanted = drawings | dict(WORD_VERSIONS)
    work.mkdir(parents=True, exist_ok=True)
    (work / "package.json").write_text(json.dumps({"private": True, "dependencies": wanted}))
    subprocess.run(  # noqa: S603  nothing in it comes from outside
        [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"],
        cwd=work,
        check=True,
    )
    return work / "node_modules"
