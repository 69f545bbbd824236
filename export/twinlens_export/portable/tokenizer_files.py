"""The files of a tokenizer as AutoTokenizer, fastembed and transformers.js read them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from twinlens.bundle.specs import Clean
from twinlens.texts.cleaning import cleaner
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.checkpoints.hub_files import TOKENIZER
from twinlens_export.checkpoints.tokenizer import LoadedTokenizer
from twinlens_export.presence import there

TOKENIZER_CONFIG: Final = "tokenizer_config.json"
SPECIAL_TOKENS: Final = "special_tokens_map.json"
OWN_TOKENIZER: Final = "runtime_tokenizer.json"
"""The runtime's own tokenizer.json, where one file cannot serve all; see `with_tokenizer_files`."""

SPACES: Final = "\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""White space of Python, as the inside of a character class: engines of regular expressions have
other ones of their own."""
PUNCTUATION: Final = r"!-/:-@\[-`{-~"
"""ASCII punctuation, likewise."""


def _replaced(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


_LOWER: Final = (
    # Of tokenizers, Lowercase looks at one letter at a time: the sigma that ends a word is another.
    _replaced(r"(?<=\p{L})Σ(?!\p{L})", "ς"),
    {"type": "Lowercase"},
)
_NO_PUNCTUATION: Final = _replaced(f"[{PUNCTUATION}]", "")
_STRIPPED: Final = (
    _replaced(f"[{SPACES}]+", " "),
    {"type": "Strip", "strip_left": True, "strip_right": True},
)
_MENDED: Final = (
    _replaced(r"\x1b\[[\d;]*[a-zA-Z]", ""),
    *(
        _replaced(ligature, letters)
        for ligature, letters in zip("ﬀﬁﬂﬃﬄ", ("ff", "fi", "fl", "ffi", "ffl"), strict=True)
    ),
    _replaced("[\u02bc\u2018-\u201b]", "'"),
    _replaced("[\u201c-\u201f]", '"'),
    _replaced("[\x00-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]", ""),
    {"type": "NFC"},
    *(
        _replaced(entity, letter)
        for entity, letter in (
            ("&amp;", "&"),
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", '"'),
            ("&#39;", "'"),
            ("&nbsp;", "\xa0"),
        )
    ),
)
"""Repairs of ftfy (its `TextFixerConfig`), and common HTML entities: what normalizers can do. They
cannot mend mojibake, nor narrow full-width letters."""
CLEANING: Final[Mapping[Clean, tuple[dict[str, Any], ...]]] = {
    "none": (),
    "lower": _LOWER,
    "openai": (*_MENDED, *_STRIPPED, *_LOWER),
    "openai_cased": (*_MENDED, *_STRIPPED),
    "canonical": (*_MENDED, _replaced("_", " "), _NO_PUNCTUATION, *_LOWER, *_STRIPPED),
    "siglip": (_replaced("\u2581", " "), *_LOWER, _NO_PUNCTUATION, *_STRIPPED),
}
"""Normalizers that clean a text as the runtime does before it tokenizes."""


def with_tokenizer_files(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint with the files of its tokenizer, in the place of its tokenizer.json.

    The cleaning of a text becomes part of tokenizer.json. The runtime reads the same file, for
    which cleaning a text twice is cleaning it once. It has a second one where its own has renamed
    pieces, so that a text cannot end itself, and where an added token may stand inside a text: the
    cleaning of a file strips the parts before and behind it, each for itself, of their spaces.
    An image tower alone has none of these files.
    """
    tokenizer, spec = checkpoint.tokenizer, checkpoint.text_spec
    if tokenizer is None or spec is None:
        return checkpoint
    files = {**checkpoint.files}
    if tokenizer.own_json is not None or _has_stripped_parts(tokenizer, spec.clean):
        files[OWN_TOKENIZER] = tokenizer.json
        spec = replace(spec, tokenizer=OWN_TOKENIZER)
    files[TOKENIZER] = _with_cleaning(tokenizer.own_json or tokenizer.json, spec.clean)
    roles = {**tokenizer.roles, **_padding(checkpoint)}
    files[SPECIAL_TOKENS] = _json(roles)
    files[TOKENIZER_CONFIG] = _json(
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": spec.context,
            "model_input_names": ["input_ids", "attention_mask"],
            "padding_side": "right",
            "truncation_side": "right",
            "clean_up_tokenization_spaces": False,
            **roles,
        }
    )
    return replace(checkpoint, files=files, text_spec=spec)


def _has_stripped_parts(tokenizer: LoadedTokenizer, clean: Clean) -> bool:
    """Return True if the cleaning of a file would strip a part of a text beside an added token.

    NLLB has its language codes as such tokens. Gemma has thousands, of which no cleaned text holds
    one where the cleaning takes punctuation away.
    """
    if not any(step["type"] == "Strip" for step in CLEANING[clean]):
        return False
    cleaned = cleaner(clean)
    return any(word in cleaned(f"a {word} b") for word in tokenizer.added)


def _with_cleaning(text: str, clean: Clean) -> str:
    if not CLEANING[clean]:
        return text
    document = json.loads(text)
    own = document["normalizer"]
    steps = [] if own is None else own["normalizers"] if own["type"] == "Sequence" else [own]
    document["normalizer"] = {"type": "Sequence", "normalizers": [*CLEANING[clean], *steps]}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _padding(checkpoint: Checkpoint) -> dict[str, str]:
    """Return the padding token: the end token where padding has no token that is special.

    OpenCLIP pads with the id 0, which is a letter. What is behind the end token changes no
    embedding there.
    """
    tokenizer, pad_id = there(checkpoint.tokenizer), there(checkpoint.text_spec).pad_id
    found = next((token for token, id_ in tokenizer.marks.items() if id_ == pad_id), None)
    token = tokenizer.roles.get("eos_token") if found is None else found
    return {} if token is None else {"pad_token": token}


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
