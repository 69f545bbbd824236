"""The tokenizer of an OpenCLIP checkpoint, as a tokenizer.json and the bundle's text spec."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.processors import TemplateProcessing

from twinlens.bundle.specs import Clean, TextSpec
from twinlens.errors import quoted
from twinlens_export.checkpoints.tokenizer import LoadedTokenizer, read_tokenizer
from twinlens_export.errors import CheckpointError

WORD: Final = r"(?i)'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
"""A word of OpenAI's tokenizer; open_clip's pattern begins with its two special tokens, which stay
text here."""
CLEANS: Final[Mapping[str, Clean]] = {
    "lower": "openai",
    "whitespace": "openai_cased",
    "canonicalize": "canonical",
}
"""Cleaning rules by the `clean` of tokenizer_kwargs."""

KNOWN: Final = frozenset({"language", "strip_sep_token"})
"""Other fields of tokenizer_kwargs that are followed; the language is in the tokenizer's marks."""
CURES: Final[Mapping[str, str]] = {
    "reduction_mask": "take it out: it chooses tokens of a text that is longer than the context, "
    "by chance or by nltk, which would be cut at its end without it",
    "tokenizer_mode": "its padding stands inside the text; there is no way around it yet",
}


def read_open_clip_tokenizer(
    tokenizer: Any,  # noqa: ANN401  open_clip ships no types
    *,
    context: int,
    trim: bool,
    options: Mapping[str, Any],
) -> LoadedTokenizer:
    """Read a tokenizer of open_clip: its own, or one of transformers'.

    Args:
        tokenizer: open_clip's.
        context: number of the tower's positions.
        trim: True if a batch may be cut to its longest text.
        options: `tokenizer_kwargs` of text_cfg, and its `tokenizer_mode`.

    Raises:
        CheckpointError: the runtime cannot reproduce the tokenizer.
    """
    own = hasattr(tokenizer, "bpe_ranks")
    require_options(options)
    clean = CLEANS[options.get("clean") or ("lower" if own else "whitespace")]
    if not own:
        loaded = read_tokenizer(tokenizer.tokenizer, context=context, trim=trim)
        loaded = replace(loaded, spec=replace(loaded.spec, clean=clean))
        return _without_separator(loaded) if options.get("strip_sep_token") else loaded
    ends = (tokenizer.sot_token_id, tokenizer.eot_token_id)
    start, end = (tokenizer.decoder[id_] for id_ in ends)
    marks = dict(zip((start, end), ends, strict=True))
    return LoadedTokenizer(
        spec=TextSpec(
            context=min(context, tokenizer.context_length),
            end_id=tokenizer.eot_token_id,
            pad_id=0,
            trim=trim,
            clean=clean,
        ),
        json=_converted(tokenizer).to_str(),
        marks=marks,
        vocabulary={word: id_ for word, id_ in tokenizer.encoder.items() if word not in marks},
        roles={"bos_token": start, "eos_token": end, "unk_token": end},
    )


def require_options(options: Mapping[str, Any]) -> None:
    """Refuse options of a tokenizer that the runtime cannot follow.

    Args:
        options: `tokenizer_kwargs` of text_cfg, and its `tokenizer_mode`.

    Raises:
        CheckpointError: there is such an option; the message has the nearest way.
    """
    for name, value in options.items():
        if value and name not in KNOWN and (name != "clean" or value not in CLEANS):
            cure = CURES.get(name, f"known are {', '.join(sorted(KNOWN))}")
            raise CheckpointError(
                f"tokenizer_kwargs has {name} = {quoted(repr(value))}, which is not supported, and "
                f"clean = {' or '.join(CLEANS)} is; {cure}"
            )


def _without_separator(loaded: LoadedTokenizer) -> LoadedTokenizer:
    """End a text with id 0 in the place of the separator, as open_clip's strip_sep_token does."""
    fast = Tokenizer.from_str(loaded.json)
    empty = fast.encode("").ids
    begin, zero = (fast.id_to_token(id_) for id_ in (empty[0], 0))
    special = [(begin, empty[0]), (zero, 0)]
    fast.post_processor = TemplateProcessing(single=[begin, "$A", zero], special_tokens=special)
    spec = replace(loaded.spec, end_id=0)
    return replace(loaded, spec=spec, json=fast.to_str())


def _converted(tokenizer: Any) -> Tokenizer:  # noqa: ANN401
    """Convert open_clip's byte pairs to a tokenizer of tokenizers."""
    ranks = tokenizer.bpe_ranks
    fast = Tokenizer(
        BPE(tokenizer.encoder, sorted(ranks, key=ranks.__getitem__), end_of_word_suffix="</w>")
    )
    fast.pre_tokenizer = Sequence(
        [
            Split(Regex(WORD), "removed", invert=True),
            ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    special = [
        (tokenizer.decoder[id_], id_) for id_ in (tokenizer.sot_token_id, tokenizer.eot_token_id)
    ]
    (start, _), (end, _) = special
    fast.post_processor = TemplateProcessing(single=[start, "$A", end], special_tokens=special)
    return fast
