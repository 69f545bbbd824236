"""The licence of a checkpoint, as the head of its model card names it."""

import re
from typing import Final

from twinlens_export.checkpoints.hub_files import text_of
from twinlens_export.errors import CheckpointError

LICENCE: Final = "license"
"""Key of the licence in a model card, and in the properties of an ONNX file."""
CARD: Final = "README.md"
HEAD: Final = re.compile(r"\A---\s*\n(.*?)\n---\s*$", re.DOTALL | re.MULTILINE)
FIELD: Final = re.compile(r"^license:[ \t]*['\"]?([\w.+-]+)['\"]?[ \t]*$", re.MULTILINE)
NAME: Final = re.compile(r"^license_name:[ \t]*['\"]?([\w.+-]+)['\"]?[ \t]*$", re.MULTILINE)


def licence_of(checkpoint: str) -> str | None:
    """Return the licence of a folder or a Hub id, as the Hub names it; None: the card has none."""
    try:
        card = text_of(checkpoint, CARD) or ""
    except CheckpointError:  # a card is no part of the model
        return None
    head = HEAD.match(card)
    if head is None:
        return None
    found = FIELD.search(head[1])
    if found is not None and found[1] == "other":
        found = NAME.search(head[1]) or found
    return None if found is None else found[1]
