"""The files of a checkpoint, in a local folder or on the Hub, and the errors of reading them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from transformers.utils import cached_file

from twinlens.errors import TwinlensError, quoted
from twinlens_export.checkpoints.diagnosis import cure_of, reason_of
from twinlens_export.errors import CheckpointError

T = TypeVar("T")

CONFIG: Final = "config.json"
OPEN_CLIP_CONFIG: Final = "open_clip_config.json"
PREPROCESSOR: Final = "preprocessor_config.json"
TOKENIZER: Final = "tokenizer.json"


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
    """Return the unchanged text of one of the checkpoint's files; None: it has none.

    Raises:
        CheckpointError: it cannot be read.
    """
    path = path_of(checkpoint, name)
    try:
        return None if path is None else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{quoted(checkpoint)} has a {name} that is not a text in UTF-8 "
            f"({quoted(str(error))}); fetch it again"
        ) from error


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
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{quoted(checkpoint)} has a {name} that is not JSON ({quoted(str(error))})"
        ) from error
    if not isinstance(document, dict):
        raise CheckpointError(f"{quoted(checkpoint)} has a {name} that is not a JSON object")
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
    except (TwinlensError, KeyboardInterrupt):
        raise
    except Exception as error:  # the libraries have no type in common
        if not Path(checkpoint).is_dir():
            cure = (
                "check the name and the connection (HF_HUB_OFFLINE allows only files fetched "
                "before), or give a local folder"
            )
        cure = cure_of(checkpoint, error) or cure
        raise CheckpointError(
            f"{quoted(checkpoint)} has no readable {part} ({reason_of(error)}); {cure}"
        ) from error
