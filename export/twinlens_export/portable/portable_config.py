"""The config.json of a portable folder: the bundle's, with what transformers.js wants to know."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twinlens.bundle.bundle import Bundle
from twinlens_export.checkpoints.hub_files import CONFIG


def is_siglip(bundle: Bundle) -> bool:
    """Return True if config.json names a SigLIP, or a tower of one."""
    return str(_config(bundle).get("model_type", "")).startswith("siglip")


def portable_config(bundle: Bundle, split: Sequence[Path]) -> str:
    """Return the text of config.json.

    Args:
        bundle: the bundle.
        split: ONNX files with external data, which a browser must be told of before it opens them.
    """
    document = _config(bundle)
    if split:
        external = {file.name: 1 for file in split}
        document["transformers.js_config"] = {"use_external_data_format": external}
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _config(bundle: Bundle) -> dict[str, Any]:
    path = bundle.path(CONFIG)
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document
