"""The tokenizer: CLIP's byte-level BPE, with a small vocabulary learned from the captions."""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

VOCABULARY = 3072
BOS, EOS = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
# The split of CLIP's tokenizer: contractions, runs of letters, single digits, the rest.
WORDS = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""


def train_tokenizer(captions: Iterable[str], folder: Path) -> Tokenizer:
    """Learn the merges, write folder/tokenizer.json and return the tokenizer.

    Every byte is a token with and without the word end, so any text can be encoded; the last two
    ids are the start and the end of a text, as in CLIP. Merges of equal counts come in any order:
    two tokenizers of the same captions need not give the same ids.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner = _pipeline(models.BPE(end_of_word_suffix=WORD_END))
    learner.train_from_iterator(
        captions,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            initial_alphabet=alphabet,
            end_of_word_suffix=WORD_END,
            show_progress=False,
        ),
    )
    learned = [(left, right) for left, right in _merges(learner)]
    tokens = [*alphabet, *(letter + WORD_END for letter in alphabet)]
    merges = learned[: VOCABULARY - 2 - len(tokens)]
    tokens += [left + right for left, right in merges]
    tokens += [BOS, EOS]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = _pipeline(
        models.BPE(vocabulary, merges, end_of_word_suffix=WORD_END, unk_token=EOS)
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in (BOS, EOS)])
    tokenizer.post_processor = processors.RobertaProcessing(
        (EOS, vocabulary[EOS]),
        (BOS, vocabulary[BOS]),
        trim_offsets=False,
        add_prefix_space=False,
    )
    tokenizer.decoder = decoders.ByteLevel()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def _pipeline(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return tokenizer


def _merges(tokenizer: Tokenizer) -> list[list[str]]:
    found: list[list[str]] = json.loads(tokenizer.to_str())["model"]["merges"]
    return found
