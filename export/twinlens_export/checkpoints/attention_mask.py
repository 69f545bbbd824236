"""The attention masks of text towers, made of their ids."""

import logging
from typing import Any, Final

import torch

from twinlens.bundle.specs import TextSpec
from twinlens.errors import quoted
from twinlens_export.errors import CheckpointError

logger = logging.getLogger(__name__)

PROBES: Final = ("", "a dog", "a dog \U000102a0")
"""Texts with each token that padding may be mistaken for: of the start, of the end, of a letter
that no tokenizer knows."""


def padding_mask(ids: torch.Tensor, spec: TextSpec) -> torch.Tensor:
    """Return 1 for the tokens of each text and 0 for its padding: int64 [B, T].

    Where padding is the token that ends a text, as in CLIP's tokenizer, the first one is its end.
    """
    padding = (ids == spec.pad_id).long()
    return (padding.cumsum(dim=1) <= int(spec.pad_id == spec.end_id)).long()


def require_known_padding(tokenizer: Any, spec: TextSpec) -> None:  # noqa: ANN401
    """Refuse a tokenizer whose padding cannot be told from the tokens of a text.

    A tower has ids alone, so that its mask is made of them: it must be the tokenizer's own mask.

    Args:
        tokenizer: of transformers.
        spec: as read of it.

    Raises:
        CheckpointError: the two masks differ.
    """
    given = tokenizer(
        list(PROBES),
        padding="max_length",
        truncation=True,
        max_length=spec.context,
        return_attention_mask=True,
    )
    ids, own = (torch.tensor(given[name]) for name in ("input_ids", "attention_mask"))
    wrong = (padding_mask(ids, spec) != own).any(dim=1).tolist()
    if any(wrong):
        raise CheckpointError(
            f"the tokenizer pads with the token {spec.pad_id}, which stands inside the text "
            f"{quoted(repr(PROBES[wrong.index(True)]))} as well, so that the text tower cannot "
            "tell what is padding; name a token of its own as pad_token in tokenizer_config.json"
        )


def warn_of_mask(tokenizer: Any) -> None:  # noqa: ANN401
    """Warn of a tokenizer that hides its padding from a tower that was trained to see it."""
    if "attention_mask" in tokenizer.model_input_names:
        logger.warning(
            "the tokenizer gives an attention mask, and SigLIP was trained without one: the bundle "
            "has the rows of padding='max_length' without a mask; set model_input_names to "
            '["input_ids"] in tokenizer_config.json, and transformers has them too'
        )


def causal_mask(ids: torch.Tensor) -> torch.Tensor:
    """Return the scores to add, of which a token sees none after it: float32 [1, 1, T, T]."""
    tokens = ids.shape[1]
    hidden = torch.full((tokens, tokens), torch.finfo(torch.float32).min, device=ids.device)
    return hidden.triu(1)[None, None]
