"""The tokenizer of a checkpoint, as a tokenizer.json and the bundle's text spec."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tokenizers import Tokenizer, processors
from transformers.convert_slow_tokenizer import SpmConverter

from twinlens.bundle.specs import Clean, TextSpec
from twinlens.errors import quoted
from twinlens_export.errors import CheckpointError

ROLES: Final = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
"""Roles of transformers' special tokens; those with a role stay text inside a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTokenizer:
    """The tokenizer and the settings of its use."""

    spec: TextSpec
    json: str
    """Content of tokenizer.json."""
    marks: Mapping[str, int] = field(default_factory=dict)
    """Ids of the special tokens that stay text inside a text."""
    unknown_id: int | None = None
    """Id of letters without a token; None where there are none such."""
    vocabulary: Mapping[str, int] = field(default_factory=dict)
    """Ids of all other tokens, which a text may contain."""
    added: tuple[str, ...] = ()
    """Those of them that were added to the vocabulary of the training."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """Special tokens by their roles, of ROLES."""
    own_json: str | None = None
    """tokenizer.json with all pieces of its own, where `json` has renamed some; see
    `_with_marks_as_text`."""


def read_tokenizer(
    tokenizer: Any,  # noqa: ANN401
    *,
    context: int,
    trim: bool,
    lower_case: bool = False,
) -> LoadedTokenizer:
    """Read a tokenizer of transformers: CLIP's, Gemma's, BERT's or SigLIP's.

    A special token without a role, as a fine-tune adds one, is read as one token inside a text, as
    transformers does; those with a role (the end, padding) stay text.

    Args:
        tokenizer: transformers' own.
        context: number of the tower's positions.
        trim: True if a batch may be cut to its longest text.
        lower_case: True if all texts of the training were in lower case. SigLIP 2's tokenizer on
            the Hub is Gemma's own, which keeps upper case.

    Raises:
        CheckpointError: the runtime cannot reproduce the tokenizer, or it has no words.
    """
    roles = {role: str(token) for role in ROLES if (token := getattr(tokenizer, role, None))}
    known, marks = tokenizer.get_vocab(), set(roles.values())
    vocabulary = {word: id_ for word, id_ in known.items() if word not in marks}
    _require_usable(tokenizer, vocabulary)
    clean = _clean(tokenizer)
    own_json = _fast(tokenizer).to_str()
    json_, is_renamed = _with_marks_as_text(own_json, marks)
    return LoadedTokenizer(
        spec=TextSpec(
            context=min(context, tokenizer.model_max_length),
            end_id=_end_id(tokenizer),
            pad_id=tokenizer.pad_token_id,
            trim=trim,
            clean="lower" if clean == "none" and lower_case and _keeps_case(tokenizer) else clean,
        ),
        json=json_,
        marks={word: known[word] for word in sorted(marks) if word in known},
        unknown_id=tokenizer.unk_token_id,
        vocabulary=vocabulary,
        added=tuple(word for word in tokenizer.get_added_vocab() if word in vocabulary),
        roles=roles,
        own_json=own_json if is_renamed else None,
    )


def _require_usable(tokenizer: Any, vocabulary: Collection[str]) -> None:  # noqa: ANN401
    if not vocabulary:
        # transformers answers so where there are no files of a tokenizer.
        raise CheckpointError(
            "the tokenizer has no words, so its files are missing; "
            "save it beside the weights with tokenizer.save_pretrained"
        )
    if tokenizer.pad_token_id is None:
        raise CheckpointError(
            "the tokenizer has no padding token; name one in tokenizer_config.json"
        )
    if tokenizer.padding_side != "right":
        raise CheckpointError(
            f"the tokenizer pads on the {quoted(tokenizer.padding_side)}, wanted right; "
            "set padding_side in tokenizer_config.json to right if the checkpoint was trained so"
        )


class _SiglipConverter(SpmConverter):  # type: ignore[misc]  # untyped
    """Converter of SigLIP's SentencePiece model, for which transformers has none of its own."""

    handle_byte_fallback = True
    """False is the default: unknown letters would all become one id."""

    def tokenizer(self, proto: Any) -> Tokenizer:  # noqa: ANN401  protobuf's
        self.handle_byte_fallback = proto.trainer_spec.byte_fallback
        converted: Tokenizer = super().tokenizer(proto)
        return converted

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


def _with_marks_as_text(text: str, marks: set[str]) -> tuple[str, bool]:
    """Return a tokenizer.json whose only special tokens are `marks`, which no text can contain.

    The second value is True if pieces of its vocabulary were renamed.

    The runtime takes special tokens inside a text as text, and reads the others. A unigram model
    may have its marks as pieces too, as XLM-RoBERTa's has "</s>", and would find them in the
    letters of a text: their pieces get a space, which is no letter of a piece there.
    """
    document = json.loads(text)
    for token in document["added_tokens"]:
        token["special"] = token["special"] and token["content"] in marks
    model, pieces = document["model"], set[str]()
    if model["type"] == "Unigram" and _hides_spaces(document["pre_tokenizer"]):
        pieces = {piece for piece, _ in model["vocab"]} & marks
        model["vocab"] = [
            [f"{piece} " if piece in pieces else piece, score] for piece, score in model["vocab"]
        ]
        # An added token must be a piece of the model, or gets an id of its own. The template that
        # begins and ends a text has ids.
        document["added_tokens"] = [
            token for token in document["added_tokens"] if token["content"] not in pieces
        ]
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")), bool(pieces)


def _hides_spaces(pre_tokenizer: Mapping[str, Any] | None) -> bool:
    """Return True if a text has no space when the model sees it: SentencePiece writes U+2581."""
    steps = (pre_tokenizer or {}).get("pretokenizers", [pre_tokenizer or {}])
    return any(step.get("type") == "Metaspace" for step in steps)


def _end_id(tokenizer: Any) -> int | None:  # noqa: ANN401
    """Return the end id that the tokenizer adds: configurations name end tokens never added.

    The last id of no text at all may be the one that begins a text.
    """
    last, of_letter = (tokenizer(text).input_ids[-1:] for text in ("", "a"))
    return last[0] if last == of_letter and last[0] in tokenizer.all_special_ids else None


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
