"""Checkpoints of OpenCLIP's registry, of random weights: each as open_clip itself saves one.

The configurations are the registry's, and those of the text towers of transformers as published; a
vocabulary of the Hub, which is not at hand, is that of a small tokenizer of the same kind.
"""

import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import transformers
from safetensors.torch import save_file

from bench.input.torchvision_stub import import_torchvision
from bench.parity.checkpoints.small_tokenizers import tokenizer_like
from bench.parity.checkpoints.varied_weights import with_varied_weights

BERT: Final = transformers.BertConfig(vocab_size=30522)
TEXT_MODELS: Final[Mapping[str, transformers.PretrainedConfig]] = {
    "roberta-base": transformers.RobertaConfig(
        vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5
    ),
    "xlm-roberta-base": transformers.XLMRobertaConfig(
        vocab_size=32000, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5
    ),
    "google/mt5-base": transformers.MT5Config(
        vocab_size=32000, d_model=768, d_kv=64, d_ff=2048, num_layers=12, num_heads=12
    ),
    "facebook/nllb-200-distilled-600M": transformers.M2M100Config(
        vocab_size=32000, d_model=1024, encoder_layers=12, decoder_layers=1, dropout=0.1
    ),
    "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract": BERT,
}
"""Of XLM-RoBERTa, mT5 and NLLB a part of the vocabulary: the whole takes a gigabyte."""
PREPROCESSING: Final[Mapping[str, Mapping[str, Any]]] = {
    "SigLIP": {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"},
    "CLIPA": {"interpolation": "bilinear", "resize_mode": "squash"},
    "MobileCLIP": {"mean": [0.0] * 3, "std": [1.0] * 3, "interpolation": "bilinear"},
    "PE-Core": {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear"}
    | {"resize_mode": "squash"},
}
"""Of the published weights, by a part of the name; open_clip's own for all others."""
FINE_TUNES: Final[Mapping[str, Mapping[str, Any]]] = {
    "BiomedCLIP": {
        "embed_dim": 512,
        "vision_cfg": {
            "timm_model_name": "vit_base_patch16_224",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "image_size": 224,
        },
        "text_cfg": {
            "hf_model_name": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
            "hf_tokenizer_name": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
            "hf_proj_type": "mlp",
            "hf_pooler_type": "cls_last_hidden_state_pooler",
            "context_length": 256,
        },
    },
    "TinyCLIP ViT-40M-32-Text-19M": {
        "embed_dim": 512,
        "vision_cfg": {"image_size": 224, "layers": 12, "width": 512, "patch_size": 32},
        "text_cfg": {"width": 512, "heads": 8, "layers": 6},
    },
    "CLIPA ViT-S/16": {
        "embed_dim": 384,
        "vision_cfg": {
            "image_size": 224,
            "layers": 12,
            "width": 384,
            "patch_size": 16,
            "no_ln_pre": True,
            "pool_type": "avg",
            "final_ln_after_pool": True,
        },
        "text_cfg": {
            "context_length": 32,
            "vocab_size": 32000,
            "hf_tokenizer_name": "bert-base-uncased",
            "tokenizer_kwargs": {"strip_sep_token": True},
            "width": 384,
            "heads": 6,
            "layers": 12,
            "pool_type": "last",
            "no_causal_mask": True,
        },
    },
    "letterboxed, layer scales": {
        "embed_dim": 256,
        "vision_cfg": {
            "image_size": 224,
            "layers": 6,
            "width": 384,
            "patch_size": 16,
            "ls_init_value": 1e-4,
        },
        "text_cfg": {"width": 256, "heads": 4, "layers": 4, "ls_init_value": 1e-4},
    },
    "convnext_tiny, 2 layers of text": {
        "embed_dim": 512,
        "vision_cfg": {
            "timm_model_name": "convnext_tiny",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "timm_drop": 0.0,
            "timm_drop_path": 0.1,
            "image_size": 224,
        },
        "text_cfg": {"width": 128, "heads": 2, "layers": 2},
    },
}
"""Configurations that are not in the registry: of OpenCLIP folders on the Hub, and small ones."""


def imported_open_clip() -> ModuleType | None:
    """Return OpenCLIP's library; None, with a word on stderr, where it cannot be imported."""
    try:
        import_torchvision()
        return importlib.import_module("open_clip")
    except ImportError as error:
        sys.stderr.write(f"without OpenCLIP's: {error}\n")
        return None


def config_of(name: str, library: ModuleType) -> dict[str, Any]:
    """Return the model_cfg of a name of the registry, or of a fine-tune."""
    if name in FINE_TUNES:
        return json.loads(json.dumps(FINE_TUNES[name]))
    found: dict[str, Any] = library.get_model_config(name)
    return found


def save_open_clip(name: str, library: ModuleType, folder: Path) -> None:
    """Save a checkpoint of random weights as a folder of OpenCLIP."""
    config = config_of(name, library)
    text_name = config["text_cfg"].get("hf_model_name")
    built = json.loads(json.dumps(config))
    if text_name:
        TEXT_MODELS[text_name].save_pretrained(folder)
        built["text_cfg"] |= {"hf_model_name": str(folder), "hf_model_pretrained": False}
    is_custom = built.pop("custom_text", False) or bool(text_name)
    kind = library.CustomTextCLIP if is_custom else library.CLIP
    if "multimodal_cfg" in built:
        kind = library.CoCa
    model = with_varied_weights(kind(**built))
    weights = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    fields = next((given for part, given in PREPROCESSING.items() if part in name), {})
    if name.startswith("letterboxed"):
        fields = {"resize_mode": "longest", "fill_color": 128, "interpolation": "bilinear"}
    document = {"model_cfg": config, "preprocess_cfg": fields}
    (folder / "open_clip_config.json").write_text(json.dumps(document))
    if hf_tokenizer := config["text_cfg"].get("hf_tokenizer_name"):
        context = config["text_cfg"].get("context_length", 77)
        tokenizer_like(hf_tokenizer, context).save_pretrained(folder)
