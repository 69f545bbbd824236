"""Small tokenizers that stand in for those of the Hub, which are not at hand: each of its kind."""

import json
from pathlib import Path
from typing import Any

import transformers
from tokenizers import Tokenizer, models, trainers
from tokenizers.pre_tokenizers import ByteLevel, Metaspace

from bench.harness.paths import DEMO_TOKENIZER
from twinlens.demo.samples import bundled_drawings

START, END, WORDS = 3070, 3071, 3072
"""Start and end ids of the demo's tokenizer, and the number of its ids."""


def save_tokenizer(folder: Path, context: int, pad_id: int = END) -> None:
    """Save the demo's tokenizer with another padding."""
    tokenizer = transformers.CLIPTokenizerFast(
        tokenizer_file=str(DEMO_TOKENIZER),
        model_max_length=context,
        padding_side="right",  # which SigLIP 2's class would not choose by itself
    )
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(pad_id)
    tokenizer.save_pretrained(folder)


def tokenizer_like(name: str, context: int) -> Any:  # noqa: ANN401  of transformers
    """Return a small tokenizer of the kind of a published one."""
    lowered = name.lower()
    options = {"model_max_length": context}
    if "bert" in lowered and "roberta" not in lowered:
        return transformers.BertTokenizerFast(vocab=_word_pieces(), **options)
    if "xlm" in lowered:
        pieces = _pieces("<s>", "<pad>", "</s>", "<unk>", last="<mask>")
        return transformers.XLMRobertaTokenizerFast(vocab=pieces, **options)
    if "roberta" in lowered:
        vocab, merges = _byte_pairs("<s>", "<pad>", "</s>", "<unk>", "<mask>")
        return transformers.RobertaTokenizerFast(vocab=vocab, merges=merges, **options)
    if "nllb" in lowered:
        vocab, merges = _character_pairs("<s>", "<pad>", "</s>", "<unk>")
        return transformers.NllbTokenizerFast(
            vocab=vocab, merges=merges, src_lang="eng_Latn", **options
        )
    if "mt5" in lowered or "siglip" in lowered:
        pieces = _pieces("<pad>", "</s>", "<unk>")
        return transformers.T5TokenizerFast(vocab=pieces, extra_ids=0, **options)
    file = str(DEMO_TOKENIZER)
    return transformers.CLIPTokenizerFast(tokenizer_file=file, **options)


def _captions() -> list[str]:
    return [drawing.caption for drawing in bundled_drawings()]


def _letters() -> list[str]:
    return sorted({letter for text in _captions() for letter in text.lower() if letter.strip()})


def _word_pieces() -> dict[str, int]:
    words = {word for text in _captions() for word in text.lower().split() if word.isalpha()}
    letters = _letters()
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    tokens += [*(f"##{letter}" for letter in letters), *sorted(words - set(letters))]
    return {token: number for number, token in enumerate(tokens)}


def _pieces(*special: str, last: str = "") -> list[tuple[str, float]]:
    """Return scored pieces of a unigram model: special ones, letters and words."""
    trained = Tokenizer(models.Unigram())
    trained.pre_tokenizer = Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=400, show_progress=False)
    trained.train_from_iterator([*_captions(), *_letters()] * 5, trainer)
    found = json.loads(trained.to_str())["model"]["vocab"]
    pieces = [(name, 0.0) for name in special]
    pieces += [(piece, score) for piece, score in found if piece not in special]
    return [*pieces, (last, 0.0)] if last else pieces


def _byte_pairs(*special: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=list(special),
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator(_captions() * 5, trainer)
    return _pairs(trained)


def _character_pairs(*special: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=list(special), show_progress=False)
    trained.train_from_iterator(_captions() * 5, trainer)
    return _pairs(trained)


def _pairs(trained: Tokenizer) -> tuple[dict[str, int], list[tuple[str, str]]]:
    model = json.loads(trained.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]
