"""Checkpoints of every family, of random weights and no size, as their own libraries save them."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import sentencepiece
import torch
import transformers
from tokenizers import Tokenizer as RawTokenizer
from tokenizers import pre_tokenizers
from tokenizers.models import BPE
from tokenizers.normalizers import Lowercase, Replace
from tokenizers.normalizers import Sequence as NormalizerSequence
from tokenizers.pre_tokenizers import Split
from tokenizers.trainers import BpeTrainer

from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint

NOTHING: Mapping[str, Any] = MappingProxyType({})
CONTEXT = 16
CORPUS = [
    "a photo of a dog",
    "two dogs, running on the beach!",
    "a red car (in the rain)",
    "一只狗在海滩上",
    "what is it? it is a drawing.",
]
LETTERS = sorted({letter for text in CORPUS for letter in text.lower() if letter.strip()})


def enlivened(model: Any) -> Any:  # noqa: ANN401
    """The model with biases and norms that are not zeros and ones, which would prove nothing."""
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith("bias") and tensor.ndim:
                tensor.add_(torch.randn_like(tensor) * 0.05)
            elif "norm" in name.lower() or "ln_" in name:
                tensor.mul_(1 + 0.2 * torch.randn_like(tensor))
    return model


def transformer(width: int, heads: int, layers: int, activation: str) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": 3 * width,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "hidden_act": activation,
    }


def clip(folder: Path) -> None:
    """LAION's: gelu, and heads that are not 64 wide, as in ViT-H/14."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    marks = {"<|startoftext|>": len(tokens), "<|endoftext|>": len(tokens) + 1}
    text = {
        "vocab_size": len(tokens) + 2,
        "max_position_embeddings": CONTEXT,
        "bos_token_id": len(tokens),
        "eos_token_id": len(tokens) + 1,
        "pad_token_id": 1,
    }
    vision = {"image_size": 32, "patch_size": 8}
    config = transformers.CLIPConfig(
        projection_dim=48,
        text_config=text | transformer(64, 1, 2, "gelu"),
        vision_config=vision | transformer(160, 2, 2, "gelu"),
    )
    enlivened(transformers.CLIPModel(config)).save_pretrained(folder)
    transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)
    vocabulary = {token: number for number, token in enumerate(tokens)} | marks
    transformers.CLIPTokenizer(
        vocab=vocabulary, merges=[], model_max_length=CONTEXT
    ).save_pretrained(folder)


def metaclip_2(folder: Path) -> None:
    """CLIP's towers, XLM-RoBERTa's words: the end id is 2, and means it."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *LETTERS, "<mask>"]
    text = {"vocab_size": len(pieces), "max_position_embeddings": CONTEXT}
    marks = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    config = transformers.MetaClip2Config(
        projection_dim=64,
        text_config=text | marks | transformer(64, 2, 2, "quick_gelu"),
        vision_config={"image_size": 32, "patch_size": 8} | transformer(128, 2, 2, "quick_gelu"),
    )
    enlivened(transformers.MetaClip2Model(config)).save_pretrained(folder)
    transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)
    transformers.XLMRobertaTokenizer(
        vocab=[(piece, -float(number)) for number, piece in enumerate(pieces)],
        model_max_length=CONTEXT,
    ).save_pretrained(folder)


def siglip_model(folder: Path, words: int, **vision: int) -> None:
    text = {"vocab_size": words, "max_position_embeddings": CONTEXT, "projection_size": 128}
    text |= {"pad_token_id": 1, "bos_token_id": 1, "eos_token_id": 1}
    config = transformers.SiglipConfig(
        text_config=text | transformer(64, 1, 2, "gelu_pytorch_tanh"),
        vision_config=vision | transformer(128, 2, 2, "gelu_pytorch_tanh"),
    )
    model = enlivened(transformers.SiglipModel(config))
    with torch.no_grad():
        model.logit_scale.fill_(4.5)
        model.logit_bias.fill_(-12.5)
    model.save_pretrained(folder)


def siglip(folder: Path) -> None:
    """Of a side that its patches do not fill, as the one of 384 pixels and patches of 14."""
    siglip_model(folder, 110, image_size=30, patch_size=8)
    transformers.SiglipImageProcessor(size={"height": 30, "width": 30}).save_pretrained(folder)
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(CORPUS * 20), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(folder / "spiece"),
        vocab_size=80,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    tokenizer = transformers.SiglipTokenizer(str(folder / "spiece.model"), model_max_length=CONTEXT)
    tokenizer.save_pretrained(folder)


def siglip2(folder: Path) -> None:
    """SigLIP 2 of a fixed resolution: SigLIP's towers, Gemma's words."""
    siglip_model(folder, 420, image_size=32, patch_size=16)
    transformers.SiglipImageProcessor(size={"height": 32, "width": 32}, resample=2).save_pretrained(
        folder
    )
    marks = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    raw = RawTokenizer(BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    raw.normalizer = NormalizerSequence([Lowercase(), Replace(" ", "▁")])
    raw.pre_tokenizer = Split(" ", "merged_with_previous")
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = BpeTrainer(vocab_size=400, special_tokens=[*marks, *bytes_], show_progress=False)
    raw.train_from_iterator(CORPUS * 20, trainer)
    model = json.loads(raw.to_str())["model"]
    transformers.Siglip2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(merge) for merge in model["merges"]],
        add_bos_token=False,
        add_eos_token=True,
        padding_side="right",
        model_max_length=CONTEXT,
    ).save_pretrained(folder)


def chinese_clip(folder: Path) -> None:
    """A text tower like BERT."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "dog", "photo", "##s", "##ning"]
    words += [*LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
    text = {"vocab_size": len(vocabulary), "max_position_embeddings": 2 * CONTEXT}
    config = transformers.ChineseCLIPConfig(
        projection_dim=96,
        text_config=text | transformer(128, 2, 3, "gelu"),
        vision_config={"image_size": 32, "patch_size": 8} | transformer(128, 2, 2, "quick_gelu"),
    )
    model = enlivened(transformers.ChineseCLIPModel(config))
    model.save_pretrained(folder)
    square = {"height": 32, "width": 32}
    transformers.ChineseCLIPImageProcessor(
        size=square, crop_size=square, do_center_crop=False
    ).save_pretrained(folder)
    transformers.BertTokenizer(vocab=vocabulary, model_max_length=CONTEXT).save_pretrained(folder)


MAKERS: dict[str, Callable[[Path], None]] = {
    "clip": clip,
    "metaclip_2": metaclip_2,
    "siglip": siglip,
    "siglip2": siglip2,
    "chinese_clip": chinese_clip,
}


@pytest.fixture(scope="session")
def family_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's checkpoint; made once."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("families") / name
            made[name].mkdir()
            torch.manual_seed(0)
            MAKERS[name](made[name])
        return made[name]

    return folder


@pytest.fixture(scope="session")
def family_checkpoint(family_folder: Callable[[str], Path]) -> Callable[[str], Checkpoint]:
    """A family's checkpoint; read once."""
    read: dict[str, Checkpoint] = {}

    def checkpoint(name: str) -> Checkpoint:
        if name not in read:
            read[name] = read_checkpoint(str(family_folder(name)))
        return read[name]

    return checkpoint


@pytest.fixture(scope="session", params=sorted(MAKERS))
def family(request: pytest.FixtureRequest) -> str:
    """Every family in turn."""
    return str(request.param)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], str]:
    """Puts a folder where the Hub's client keeps what it fetched, and lets it fetch nothing."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def put(folder: Path, name: str) -> str:
        place = tmp_path / f"models--{name.replace('/', '--')}"
        (place / "refs").mkdir(parents=True)
        (place / "refs" / "main").write_text("0" * 40)
        shutil.copytree(folder, place / "snapshots" / ("0" * 40))
        return name

    return put


@pytest.fixture(scope="session")
def document() -> Callable[..., dict[str, Any]]:
    """Makes an open_clip_config.json of a small model: changes to its halves, then to the whole."""
    image_usual = {"image_size": 32, "layers": 2, "width": 128, "patch_size": 8}
    text_usual = {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}

    def make(
        image: Mapping[str, Any] = NOTHING, text: Mapping[str, Any] = NOTHING, **model: object
    ) -> dict[str, Any]:
        towers = {"vision_cfg": image_usual | dict(image), "text_cfg": text_usual | dict(text)}
        return {
            "model_cfg": {"embed_dim": 48, **towers, **model},
            "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3},
        }

    return make


@pytest.fixture(scope="session")
def siglip_document(document: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """An open_clip_config.json of a small SigLIP."""
    image = {
        "timm_model_name": "vit_small_siglip_32",
        "timm_pool": "map",
        "timm_proj": "none",
    }
    text = {
        "no_causal_mask": True,
        "pool_type": "last",
        "proj_bias": True,
        "norm_kwargs": {"eps": 1e-6},
        "act_kwargs": {"approximate": "tanh"},
        "hf_tokenizer_name": "anyone/anything",
        "tokenizer_kwargs": {"clean": "canonicalize"},
    }
    return document(image, text, custom_text=True, init_logit_bias=-10, embed_dim=128)
