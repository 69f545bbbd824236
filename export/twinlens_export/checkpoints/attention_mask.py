"""The attention masks of text towers, made of their ids."""

import torch

from twinlens.bundle.specs import TextSpec


def padding_mask(ids: torch.Tensor, spec: TextSpec) -> torch.Tensor:
    """Return 1 for the tokens of each text and 0 for its padding: int64 [B, T].

    Where padding is the token that ends a text, as in CLIP's tokenizer, the first one is its end.
    """
    padding = (ids == spec.pad_id).long()
    return (padding.cumsum(dim=1) <= int(spec.pad_id == spec.end_id)).long()


def causal_mask(ids: torch.Tensor) -> torch.Tensor:
    """Return the scores to add, of which a token sees none after it: float32 [1, 1, T, T]."""
    tokens = ids.shape[1]
    hidden = torch.full((tokens, tokens), torch.finfo(torch.float32).min, device=ids.device)
    return hidden.triu(1)[None, None]
