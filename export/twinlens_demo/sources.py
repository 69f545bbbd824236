"""The packages the demo model is made from, each with its licence and a fixed version."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Role = Literal["train", "dev", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One set of drawings by one hand."""

    package: str
    version: str
    licence: str
    author: str
    role: Role = "train"
    weight: float = 1.0
    """How often a drawing of this set is drawn in training, relative to the others."""


# Twemoji is the only set that covers every concept: it is the test set and is never trained on.
# OpenMoji is share-alike: it chooses between checkpoints and is not shipped.
DRAWINGS: Mapping[str, Source] = {
    "noto": Source(
        package="@iconify-json/noto", version="1.2.9", licence="Apache-2.0", author="Google"
    ),
    "noto-v1": Source(
        package="@iconify-json/noto-v1", version="1.2.5", licence="Apache-2.0", author="Google"
    ),
    "fluent": Source(
        package="@iconify-json/fluent-emoji", version="1.2.7", licence="MIT", author="Microsoft"
    ),
    "fluent-flat": Source(
        package="@iconify-json/fluent-emoji-flat",
        version="1.2.6",
        licence="MIT",
        author="Microsoft",
    ),
    "fluent-contrast": Source(
        package="@iconify-json/fluent-emoji-high-contrast",
        version="1.2.6",
        licence="MIT",
        author="Microsoft",
        weight=0.4,
    ),
    "fluent-3d": Source(
        package="@lobehub/fluent-emoji-3d", version="1.1.0", licence="MIT", author="Microsoft"
    ),
    # The package says Apache-2.0, which is the code's; upstream, the drawings are CC BY.
    "fxemoji": Source(
        package="@iconify-json/fxemoji", version="1.2.2", licence="CC-BY-4.0", author="Mozilla"
    ),
    "emojione": Source(
        package="@iconify-json/emojione", version="1.2.3", licence="CC-BY-4.0", author="EmojiOne"
    ),
    "streamline": Source(
        package="@iconify-json/streamline-emojis",
        version="1.2.4",
        licence="CC-BY-4.0",
        author="Streamline",
    ),
    "flag": Source(
        package="@iconify-json/flag", version="1.2.12", licence="MIT", author="Panayiotis Lipiridis"
    ),
    "circle-flags": Source(
        package="@iconify-json/circle-flags", version="1.2.11", licence="MIT", author="HatScripts"
    ),
    "openmoji": Source(
        package="@iconify-json/openmoji",
        version="1.2.29",
        licence="CC-BY-SA-4.0",
        author="OpenMoji",
        role="dev",
    ),
    "twemoji": Source(
        package="@iconify-json/twemoji",
        version="1.2.5",
        licence="CC-BY-4.0",
        author="Twitter",
        role="test",
    ),
}

WORDS: Mapping[str, str] = {
    "emojibase-data": "17.0.0",
    "cldr-annotations-full": "48.2.0",
    "cldr-annotations-derived-full": "48.2.0",
    "emojilib": "4.0.3",
    "lucide-static": "1.62.0",
    "@tabler/icons": "3.51.0",
}
"""Names and keywords: MIT, Unicode-3.0, MIT; the tags of two icon sets (ISC, MIT)."""


def fetch(work: Path) -> Path:
    """Install every package under work/node_modules and return that folder."""
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm was not found; install Node.js to fetch the drawings")
    wanted = {source.package: source.version for source in DRAWINGS.values()} | dict(WORDS)
    work.mkdir(parents=True, exist_ok=True)
    (work / "package.json").write_text(json.dumps({"private": True, "dependencies": wanted}))
    subprocess.run(  # noqa: S603  nothing in it comes from outside
        [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"],
        cwd=work,
        check=True,
    )
    return work / "node_modules"
