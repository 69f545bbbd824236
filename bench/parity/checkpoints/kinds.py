"""Checkpoints of the kinds beside whole CLIPs, of random weights: each as its library saves it.

A vocabulary of the Hub, which is not at hand, is that of the demo's tokenizer: the sizes of the
layers are the real ones, those of the token embedding are not.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
import transformers

from bench.parity.checkpoints.small_tokenizers import END, START, WORDS, save_tokenizer
from bench.parity.checkpoints.varied_weights import with_varied_weights
from twinlens.bundle.specs import Modality

Save = Callable[[Path], None]


def tower(width: int, layers: int, activation: str = "gelu", wide: int = 0) -> dict[str, Any]:
    """Return the fields of a transformer, its heads 64 wide."""
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "intermediate_size": wide or 4 * width,
        "hidden_act": activation,
    }


def image(side: int, patch: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the fields of an image tower."""
    return fields | {"image_size": side, "patch_size": patch}


def words(positions: int, pad_id: int = END) -> dict[str, Any]:
    """Return the fields of a text tower's vocabulary."""
    ids = {"bos_token_id": START, "eos_token_id": END, "pad_token_id": pad_id}
    return ids | {"vocab_size": WORDS, "max_position_embeddings": positions}


def save_clip_processor(folder: Path, side: int = 224) -> None:
    """Save CLIP's image processor."""
    square = {"height": side, "width": side}
    transformers.CLIPImageProcessor(size={"shortest_edge": side}, crop_size=square).save_pretrained(
        folder
    )


def long_clip(folder: Path) -> None:
    """Save a Long-CLIP B/16 as transformers does: 248 positions."""
    config = transformers.CLIPConfig(
        projection_dim=512,
        vision_config=image(224, 16, **tower(768, 12, "quick_gelu")),
        text_config=words(248) | tower(512, 12, "quick_gelu"),
    )
    with_varied_weights(transformers.CLIPModel(config)).save_pretrained(folder)
    save_clip_processor(folder)
    save_tokenizer(folder, 248)


def altclip(folder: Path) -> None:
    """Save an AltCLIP: ViT-L/14 and XLM-RoBERTa large."""
    config = transformers.AltCLIPConfig(
        projection_dim=768,
        vision_config=image(224, 14, **tower(1024, 24, "quick_gelu")),
        text_config=words(514, 1) | tower(1024, 24) | {"project_dim": 768, "type_vocab_size": 1},
    )
    with_varied_weights(transformers.AltCLIPModel(config)).save_pretrained(folder)
    save_clip_processor(folder)
    save_tokenizer(folder, 77, pad_id=1)


def naflex(folder: Path) -> None:
    """Save a SigLIP 2 B/16 NaFlex."""
    sizes = tower(768, 12, "gelu_pytorch_tanh", 3072)
    config = transformers.Siglip2Config(
        vision_config=sizes | {"num_patches": 256, "patch_size": 16},
        text_config=words(64) | sizes | {"projection_size": 768},
    )
    with_varied_weights(transformers.Siglip2Model(config)).save_pretrained(folder)
    transformers.Siglip2ImageProcessor(patch_size=16, max_num_patches=256).save_pretrained(folder)
    save_tokenizer(folder, 64)


def lone_image(kind: str, **fields: Any) -> Save:  # noqa: ANN401
    """Return the saving of an image tower alone."""

    def save(folder: Path) -> None:
        model = getattr(transformers, kind)
        with_varied_weights(model(model.config_class(**fields))).save_pretrained(folder)
        if kind.startswith("Siglip"):
            transformers.SiglipImageProcessor().save_pretrained(folder)
        else:
            save_clip_processor(folder)

    return save


def lone_text(folder: Path) -> None:
    """Save the text tower of a CLIP ViT-L/14 alone."""
    config = transformers.CLIPTextConfig(
        projection_dim=768, **(words(77) | tower(768, 12, "quick_gelu"))
    )
    with_varied_weights(transformers.CLIPTextModelWithProjection(config)).save_pretrained(folder)
    save_tokenizer(folder, 77)


def sentence_transformers(config: Any, *, pad_id: int, dense: int = 0) -> Save:  # noqa: ANN401
    """Return the saving of a text model of sentence-transformers, projected to a width."""

    def save(folder: Path) -> None:
        model = with_varied_weights(transformers.AutoModel.from_config(config))
        model.save_pretrained(folder)
        save_tokenizer(folder, 128, pad_id=pad_id)
        steps = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense")]
        steps = steps if dense else steps[:2]
        modules = [{"path": path, "type": f"sentence_transformers.models.{k}"} for k, path in steps]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
        if dense:
            (folder / "2_Dense").mkdir()
            (folder / "2_Dense" / "config.json").write_text(
                '{"activation_function": "torch.nn.modules.linear.Identity"}'
            )
            weight = torch.randn(dense, model.config.hidden_size) * 0.05
            torch.save({"linear.weight": weight}, folder / "2_Dense" / "pytorch_model.bin")

    return save


def multilingual_clip(folder: Path) -> None:
    """Save the text tower XLM-Roberta-Large-Vit-L-14."""
    fields = words(514, 1) | tower(1024, 24) | {"type_vocab_size": 1, "layer_norm_eps": 1e-5}
    model = with_varied_weights(
        transformers.XLMRobertaModel(transformers.XLMRobertaConfig(**fields))
    )
    state = {f"transformer.{name}": tensor for name, tensor in model.state_dict().items()}
    state["LinearTransformation.weight"] = torch.randn(768, 1024) * 0.05
    state["LinearTransformation.bias"] = torch.randn(768) * 0.05
    torch.save(state, folder / "pytorch_model.bin")
    document = {"model_type": "M-CLIP", "modelBase": "xlm-roberta-large", "numDims": 768}
    (folder / "config.json").write_text(json.dumps(document))
    save_tokenizer(folder, 128, pad_id=1)


def blip(folder: Path) -> None:
    """Save a BLIP B/16 for retrieval."""
    text = words(512, 0) | tower(768, 12) | {"sep_token_id": END, "encoder_hidden_size": 768}
    # Its own initial weights are of 1e-10, of which every picture has one row.
    pictures = image(384, 16, **tower(768, 12)) | {"initializer_range": 0.02}
    config = transformers.BlipConfig(
        image_text_hidden_size=256,
        vision_config=pictures,
        text_config=text,
    )
    with_varied_weights(transformers.BlipForImageTextRetrieval(config)).save_pretrained(folder)
    transformers.BlipImageProcessor().save_pretrained(folder)
    save_tokenizer(folder, 77, pad_id=0)


def lit(folder: Path) -> None:
    """Save a VisionTextDualEncoder of a ViT-B/16 and a BERT."""
    config = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(
        transformers.ViTConfig(**image(224, 16, **tower(768, 12))),
        transformers.BertConfig(**(words(512, 0) | tower(768, 12))),
        projection_dim=512,
    )
    with_varied_weights(transformers.VisionTextDualEncoderModel(config)).save_pretrained(folder)
    transformers.ViTImageProcessor().save_pretrained(folder)
    save_tokenizer(folder, 77, pad_id=0)


def aimv2(folder: Path) -> None:
    """Save an AIMv2 L/14 tuned as LiT is."""
    config = transformers.Aimv2Config(
        projection_dim=768,
        vision_config=image(224, 14) | {"hidden_size": 1024, "num_hidden_layers": 24},
        text_config=words(77),
    )
    with_varied_weights(transformers.Aimv2Model(config)).save_pretrained(folder)
    save_clip_processor(folder)
    save_tokenizer(folder, 77)


def groupvit(folder: Path) -> None:
    """Save a GroupViT."""
    config = transformers.GroupViTConfig(text_config=words(77))
    with_varied_weights(transformers.GroupViTModel(config)).save_pretrained(folder)
    save_clip_processor(folder)
    save_tokenizer(folder, 77)


_VIT_B: Final = image(224, 32, **tower(768, 12, "quick_gelu"))
_SIGLIP_B: Final = image(224, 16, **tower(768, 12, "gelu_pytorch_tanh"))
_DISTILBERT: Final = transformers.DistilBertConfig(vocab_size=WORDS, pad_token_id=0)
_NOMIC: Final = transformers.NomicBertConfig(vocab_size=WORDS, pad_token_id=0)
KINDS: Final[Mapping[str, Save]] = {
    "clip-ViT-B-32-multilingual-v1": sentence_transformers(_DISTILBERT, pad_id=0, dense=512),
    "CLIPVisionModelWithProjection B/32": lone_image(
        "CLIPVisionModelWithProjection", projection_dim=512, **_VIT_B
    ),
    "SiglipVisionModel B/16": lone_image("SiglipVisionModel", **_SIGLIP_B),
    "CLIPTextModelWithProjection L/14": lone_text,
    "SigLIP 2 B/16 NaFlex": naflex,
    "Long-CLIP B/16": long_clip,
    "nomic-embed-text-v1.5": sentence_transformers(_NOMIC, pad_id=0),
    "VisionTextDualEncoder (ViT-B/16, BERT)": lit,
    "BLIP B/16 for retrieval": blip,
    "GroupViT": groupvit,
    "M-CLIP XLM-Roberta-Large-Vit-L-14": multilingual_clip,
    "AltCLIP ViT-L/14": altclip,
    "AIMv2 L/14 (LiT)": aimv2,
}
"""Savings by the name of the checkpoint whose shape it is, the small ones first."""
ONE_TOWER: Final[Mapping[str, Modality]] = {
    "clip-ViT-B-32-multilingual-v1": "text",
    "CLIPVisionModelWithProjection B/32": "image",
    "SiglipVisionModel B/16": "image",
    "CLIPTextModelWithProjection L/14": "text",
    "nomic-embed-text-v1.5": "text",
    "M-CLIP XLM-Roberta-Large-Vit-L-14": "text",
}
"""Kinds of one tower alone."""
