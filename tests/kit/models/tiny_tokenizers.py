"""Tiny tokenizers of every family, trained on a few texts."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import sentencepiece
import transformers
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.normalizers import Lowercase, Replace
from tokenizers.normalizers import Sequence as NormalizerSequence
from tokenizers.pre_tokenizers import Split
from tokenizers.trainers import BpeTrainer


def byte_vocabulary() -> dict[str, int]:
    """Return CLIP's vocabulary without merges: every byte, inside a word and at its end."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    return {token: number for number, token in enumerate(tokens)}


def siglip_tokenizer(
    folder: Path,
    corpus: Sequence[str],
    *,
    vocabulary: int,
    context: int,
    byte_fallback: bool = False,
) -> transformers.SiglipTokenizer:
    """Train SigLIP's tokenizer: SentencePiece, a unigram model with T5's normalisation.

    With byte fallback, as mC4's of the multilingual checkpoints has it, an unknown letter becomes
    its UTF-8 bytes.
    """
    file = folder / "corpus.txt"
    file.write_text("\n".join([*corpus] * 20), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(file),
        model_prefix=str(folder / "spiece"),
        vocab_size=vocabulary,
        hard_vocab_limit=False,
        model_type="unigram",
        normalization_rule_name="nmt_nfkc",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        byte_fallback=byte_fallback,
        minloglevel=2,
    )
    return transformers.SiglipTokenizer(str(folder / "spiece.model"), model_max_length=context)


def siglip2_tokenizer(
    corpus: Sequence[str], *, vocabulary: int, context: int
) -> transformers.PreTrainedTokenizerFast:
    """Train SigLIP 2's tokenizer: Gemma's BPE with byte fallback, in lower case.

    transformers 4 has no class for it: the test is skipped.
    """
    if not hasattr(transformers, "Siglip2Tokenizer"):
        pytest.skip(f"transformers {transformers.__version__} has no Siglip2Tokenizer")
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    raw = Tokenizer(BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    raw.normalizer = NormalizerSequence([Lowercase(), Replace(" ", "▁")])
    raw.pre_tokenizer = Split(" ", "merged_with_previous")
    raw.train_from_iterator(
        [*corpus] * 20,
        BpeTrainer(vocab_size=vocabulary, special_tokens=[*special, *bytes_], show_progress=False),
    )
    model = json.loads(raw.to_str())["model"]
    return transformers.Siglip2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(merge) for merge in model["merges"]],
        add_bos_token=False,
        add_eos_token=True,
        padding_side="right",
        model_max_length=context,
    )


def bert_tokenizer(corpus: Sequence[str], *, context: int) -> transformers.BertTokenizerFast:
    """Make Chinese-CLIP's tokenizer: WordPiece between [CLS] and [SEP], letters and a few words."""
    letters = sorted({letter for text in corpus for letter in text.lower() if letter.strip()})
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "dog", "photo", "##s", "##ning"]
    words += [*letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
    return transformers.BertTokenizerFast(vocab=vocabulary, model_max_length=context)
