"""JSON object on disk that bears its own sha256: an edit by hand or a flipped bit is found."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

SEAL: Final = "sha256"
"""Field of the hash of all other fields."""


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a JSON object with the hash that it must bear."""
    return {**_fields(document), SEAL: seal_of(document)}


def seal_of(document: Mapping[str, Any]) -> str:
    """Return the sha256 of an object's fields but the seal, however a file has them indented.

    It is taken of the values as they are read, so a change of the file that the reader does not
    see, such as a space between two fields, does not break it.
    """
    text = json.dumps(_fields(document), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def write_sealed(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON object with its seal; the file is the old one or the whole new one.

    Raises:
        ValueError: a number is NaN or infinite, which JSON has not.
    """
    text = json.dumps(sealed(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    draft = path.with_name(f"{path.name}.draft")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _fields(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != SEAL}
