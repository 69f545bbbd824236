"""The files of a checkpoint, in a local folder or on the Hub, and the errors of reading them."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from safetensors import SafetensorError
from transformers.utils import cached_file

from twinlens_export.errors import CheckpointError

T = TypeVar("T")

CONFIG: Final = "config.json"
OPEN_CLIP_CONFIG: Final = "open_clip_config.json"
PREPROCESSOR: Final = "preprocessor_config.json"
TOKENIZER: Final = "tokenizer.json"

FAILURES: Final = (OSError, ValueError, KeyError, RuntimeError, SafetensorError, pickle.PickleError)
"""Errors by which the libraries refuse an unreadable checkpoint."""


def path_of(checkpoint: str, name: str) -> Path | None:
    """Return the path of one of the checkpoint's files, fetched if need be; None: it has none.

    huggingface_hub asks the Hub, so HF_HUB_OFFLINE and its kin are respected.
    """
    try:
        path = cached_file(
            checkpoint,
            name,
            _raise_exceptions_for_gated_repo=False,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    except (OSError, ValueError):  # neither a folder nor a Hub id
        return None
    return None if path is None else Path(path)


def text_of(checkpoint: str, name: str) -> str | None:
    """Return the unchanged text of one of the checkpoint's files; None: it has none."""
    path = path_of(checkpoint, name)
    return None if path is None else path.read_text(encoding="utf-8")


def json_of(checkpoint: str, name: str) -> dict[str, Any] | None:
    """Return one of the checkpoint's files as a JSON object; None: it has none.

    Raises:
        CheckpointError: the file is not a JSON object.
    """
    text = text_of(checkpoint, name)
    if text is None:
        return None
    try:
        document = json.loads(text)
    except ValueError as error:
        raise CheckpointError(f"{checkpoint} has a {name} that is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise CheckpointError(f"{checkpoint} has a {name} that is not a JSON object")
    return document


def read_part(checkpoint: str, part: str, cure: str, read: Callable[[], T]) -> T:
    """Read one part of a checkpoint; its library's errors become a CheckpointError.

    Args:
        checkpoint: a folder or a Hub id.
        part: its name in the message.
        cure: advice for a folder that lacks it.
        read: returns the part.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        return read()
    except FAILURES as error:
        lines = str(error).strip().splitlines()
        reason = lines[0] if lines else type(error).__name__
        if not Path(checkpoint).is_dir():
            cure = (
                "check the name and the connection (HF_HUB_OFFLINE allows only files fetched "
                "before), or give a local folder"
            )
        raise CheckpointError(f"{checkpoint} has no readable {part} ({reason}); {cure}") from error
