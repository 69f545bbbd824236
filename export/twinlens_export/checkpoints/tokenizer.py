"""The tokenizer of a checkpoint, as a tokenizer.json and the bundle's text spec."""

from dataclasses import dataclass
from typing import Any

from tokenizers import processors
from transformers.convert_slow_tokenizer import SpmConverter

from twinlens.bundle.specs import Clean, TextSpec
from twinlens_export.errors import CheckpointError


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTokenizer:
    """The tokenizer and the settings of its use."""

    spec: TextSpec
    json: str
    """Content of tokenizer.json."""


def read_tokenizer(
    tokenizer: Any,  # noqa: ANN401
    *,
    context: int,
    trim: bool,
    lower_case: bool = False,
) -> LoadedTokenizer:
    """Read a tokenizer of transformers: CLIP's, Gemma's, BERT's or SigLIP's.

    Args:
        tokenizer: transformers' own.
        context: number of the tower's positions.
        trim: True if a batch may be cut to its longest text.
        lower_case: True if all texts of the training were in lower case. SigLIP 2's tokenizer on
            the Hub is Gemma's own, which keeps upper case.

    Raises:
        CheckpointError: the runtime cannot reproduce the tokenizer.
    """
    if tokenizer.pad_token_id is None:
        raise CheckpointError(
            "the tokenizer has no padding token; name one in tokenizer_config.json"
        )
    if tokenizer.padding_side != "right":
        raise CheckpointError(
            f"the tokenizer pads on the {tokenizer.padding_side}, wanted right; "
            "set padding_side in tokenizer_config.json to right if the checkpoint was trained so"
        )
    clean = _clean(tokenizer)
    return LoadedTokenizer(
        spec=TextSpec(
            context=min(context, tokenizer.model_max_length),
            end_id=_end_id(tokenizer),
            pad_id=tokenizer.pad_token_id,
            trim=trim,
            clean="lower" if clean == "none" and lower_case and _keeps_case(tokenizer) else clean,
        ),
        json=_fast(tokenizer).to_str(),
    )


class _SiglipConverter(SpmConverter):  # type: ignore[misc]  # untyped
    """Converter of SigLIP's SentencePiece model, for which transformers has none of its own."""

    def post_processor(self) -> processors.TemplateProcessing:
        end = self.original_tokenizer.eos_token
        special = [(end, self.original_tokenizer.eos_token_id)]
        return processors.TemplateProcessing(single=["$A", end], special_tokens=special)


def _fast(tokenizer: Any) -> Any:  # noqa: ANN401
    if tokenizer.is_fast:
        return tokenizer.backend_tokenizer
    if _clean(tokenizer) == "siglip":
        return _SiglipConverter(tokenizer).converted()
    raise CheckpointError(
        f"a {type(tokenizer).__name__} has no tokenizer.json and none can be made of it; "
        "save the checkpoint with its fast tokenizer"
    )


def _end_id(tokenizer: Any) -> int | None:  # noqa: ANN401
    """Return the end id that the tokenizer adds: configurations name end tokens never added."""
    last = tokenizer("").input_ids[-1:]
    return last[0] if last and last[0] in tokenizer.all_special_ids else None


def _keeps_case(tokenizer: Any) -> bool:  # noqa: ANN401
    upper, lower = (tokenizer(text).input_ids for text in ("A", "a"))
    return bool(upper != lower)


def _clean(tokenizer: Any) -> Clean:  # noqa: ANN401
    """Return the cleaning done in Python, which a tokenizer.json does not contain."""
    if not hasattr(tokenizer, "canonicalize_text"):
        return "none"
    if not tokenizer.do_lower_case:
        raise CheckpointError(
            "the tokenizer keeps upper case, which SigLIP never saw; set do_lower_case to true"
        )
    return "siglip"
