"""Tiny tokenizers of every family, trained on a few texts.

transformers 5 takes a vocabulary as it is, 4 only from a file or in a finished tokenizer.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import sentencepiece
import transformers
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE, Unigram
from tokenizers.normalizers import Lowercase, Replace
from tokenizers.normalizers import Sequence as NormalizerSequence
from tokenizers.pre_tokenizers import Metaspace, Split, WhitespaceSplit
from tokenizers.pre_tokenizers import Sequence as PreTokenizerSequence
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer

TAKES_VOCABULARIES: Final = not transformers.__version__.startswith("4.")


def byte_vocabulary() -> dict[str, int]:
    """Return CLIP's vocabulary without merges: every byte, inside a word and at its end."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    return {token: number for number, token in enumerate(tokens)}


def clip_tokenizer(*, context: int) -> transformers.PreTrainedTokenizerFast:
    """Make CLIP's tokenizer of single bytes."""
    vocabulary = byte_vocabulary()
    vocabulary |= {"<|startoftext|>": len(vocabulary), "<|endoftext|>": len(vocabulary) + 1}
    if TAKES_VOCABULARIES:
        return transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=context)
    with TemporaryDirectory() as folder:
        words, merges = Path(folder, "vocab.json"), Path(folder, "merges.txt")
        words.write_text(json.dumps(vocabulary), encoding="utf-8")
        merges.write_text("#version: 0.2\n", encoding="utf-8")
        return transformers.CLIPTokenizerFast(str(words), str(merges), model_max_length=context)


def xlm_roberta_tokenizer(
    letters: Sequence[str], *, context: int
) -> transformers.PreTrainedTokenizerFast:
    """Make XLM-RoBERTa's tokenizer: a unigram model of single letters between <s> and </s>."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *letters, "<mask>"]
    vocabulary = [(piece, -float(number)) for number, piece in enumerate(pieces)]
    if TAKES_VOCABULARIES:
        return transformers.XLMRobertaTokenizer(vocab=vocabulary, model_max_length=context)
    raw = Tokenizer(Unigram(vocabulary, unk_id=3))
    raw.pre_tokenizer = PreTokenizerSequence([WhitespaceSplit(), Metaspace()])
    raw.post_processor = TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return transformers.XLMRobertaTokenizerFast(tokenizer_object=raw, model_max_length=context)


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

    transformers 4 has no class for it, and takes Gemma's, as its checkpoints say.
    """
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    raw = Tokenizer(BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    raw.normalizer = NormalizerSequence([Lowercase(), Replace(" ", "▁")])
    raw.pre_tokenizer = Split(" ", "merged_with_previous")
    raw.train_from_iterator(
        [*corpus] * 20,
        BpeTrainer(vocab_size=vocabulary, special_tokens=[*special, *bytes_], show_progress=False),
    )
    settings: dict[str, Any] = {
        "add_bos_token": False,
        "add_eos_token": True,
        "padding_side": "right",
        "model_max_length": context,
    }
    if not TAKES_VOCABULARIES:
        return transformers.GemmaTokenizerFast(tokenizer_object=raw, **settings)
    model = json.loads(raw.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return transformers.Siglip2Tokenizer(vocab=model["vocab"], merges=merges, **settings)


def bert_tokenizer(corpus: Sequence[str], *, context: int) -> transformers.BertTokenizerFast:
    """Make Chinese-CLIP's tokenizer: WordPiece between [CLS] and [SEP], letters and a few words."""
    letters = sorted({letter for text in corpus for letter in text.lower() if letter.strip()})
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "dog", "photo", "##s", "##ning"]
    words += [*letters, *(f"##{letter}" for letter in letters)]
    return word_tokenizer(list(dict.fromkeys(words)), context=context)


def word_tokenizer(words: Sequence[str], *, context: int) -> transformers.BertTokenizerFast:
    """Make BERT's tokenizer of a few words, each at its id."""
    if TAKES_VOCABULARIES:
        vocabulary = {word: number for number, word in enumerate(words)}
        return transformers.BertTokenizerFast(vocab=vocabulary, model_max_length=context)
    with TemporaryDirectory() as folder:
        file = Path(folder, "vocab.txt")
        file.write_text("\n".join(words), encoding="utf-8")
        return transformers.BertTokenizerFast(str(file), model_max_length=context)
