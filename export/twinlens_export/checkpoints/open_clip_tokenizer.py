"""What an OpenCLIP checkpoint's tokenizer does."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.processors import TemplateProcessing

from twinlens.bundle.specs import Clean, TextSpec
from twinlens_export.checkpoints.tokenizer import Words, read_words
from twinlens_export.errors import CheckpointError

WORDS: Final = r"(?i)'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
"""What OpenAI's tokenizer takes as a word; open_clip's has its two marks in front, which stay text
here."""
CLEANS: Final[Mapping[str, Clean]] = {
    "lower": "openai",
    "whitespace": "openai_cased",
    "canonicalize": "canonical",
}
"""By the `clean` of tokenizer_kwargs."""


def read_open_clip_words(
    tokenizer: Any,  # noqa: ANN401  open_clip ships no types
    *,
    context: int,
    trim: bool,
    options: Mapping[str, Any],
) -> Words:
    """The words of a tokenizer that open_clip made: its own, or one of transformers'.

    Args:
        tokenizer: open_clip's.
        context: the positions that the tower has.
        trim: whether a batch may stop at its longest text.
        options: `tokenizer_kwargs` of text_cfg.

    Raises:
        CheckpointError: the runtime cannot do what the tokenizer does.
    """
    own = hasattr(tokenizer, "bpe_ranks")
    clean = _clean(options, usual="lower" if own else "whitespace")
    if not own:
        words = read_words(tokenizer.tokenizer, context=context, trim=trim)
        return replace(words, spec=replace(words.spec, clean=clean))
    return Words(
        spec=TextSpec(
            context=min(context, tokenizer.context_length),
            end_id=tokenizer.eot_token_id,
            pad_id=0,
            trim=trim,
            clean=clean,
        ),
        tokenizer=_converted(tokenizer).to_str(),
    )


def _clean(options: Mapping[str, Any], *, usual: str) -> Clean:
    for name, value in options.items():
        if value and (name != "clean" or value not in CLEANS):
            raise CheckpointError(
                f"tokenizer_kwargs has {name} = {value!r}, which is not supported; "
                f"clean = {' or '.join(CLEANS)} is"
            )
    return CLEANS[options.get("clean") or usual]


def _converted(tokenizer: Any) -> Tokenizer:  # noqa: ANN401
    """open_clip's byte pairs as a program of tokenizers."""
    ranks = tokenizer.bpe_ranks
    fast = Tokenizer(
        BPE(tokenizer.encoder, sorted(ranks, key=ranks.__getitem__), end_of_word_suffix="</w>")
    )
    fast.pre_tokenizer = Sequence(
        [
            Split(Regex(WORDS), "removed", invert=True),
            ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    marks = [
        (tokenizer.decoder[mark], mark) for mark in (tokenizer.sot_token_id, tokenizer.eot_token_id)
    ]
    (start, _), (end, _) = marks
    fast.post_processor = TemplateProcessing(single=[start, "$A", end], special_tokens=marks)
    return fast
