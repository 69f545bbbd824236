"""Tiny checkpoints of the kinds beside a whole model: lone towers, adapters, other libraries'."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from tiny_checkpoints import CONTEXT, CORPUS, LETTERS, randomised, transformer
from tiny_tokenizers import bert_tokenizer, clip_tokenizer, siglip2_tokenizer, xlm_roberta_tokenizer

WIDTH = 48
"""Of the tiny CLIP's embeddings, which other halves share."""
LONE = {
    "CLIPVisionModelWithProjection": "clip",
    "CLIPVisionModel": "clip",
    "CLIPTextModelWithProjection": "clip",
    "CLIPTextModel": "clip",
    "MetaClip2TextModelWithProjection": "metaclip_2",
    "SiglipVisionModel": "siglip",
    "SiglipTextModel": "siglip",
    "ChineseCLIPVisionModel": "chinese_clip",
}
"""Classes of towers saved alone, and the families that they are taken from."""


def save_lone_tower(kind: str, whole: Path, folder: Path) -> Any:  # noqa: ANN401
    """Save one tower of a whole checkpoint alone, with the files of its inputs; return it."""
    width = transformers.AutoConfig.from_pretrained(whole).to_dict().get("projection_dim")
    sizes = {"projection_dim": width} if "Projection" in kind else {}
    tower = getattr(transformers, kind).from_pretrained(whole, **sizes).eval()
    tower.save_pretrained(folder)
    is_image = "Vision" in kind
    for path in whole.iterdir():
        is_of_images = path.name == "preprocessor_config.json"
        is_of_model = path.name in ("config.json", "model.safetensors", "corpus.txt")
        if not is_of_model and is_of_images == is_image:
            shutil.copy(path, folder / path.name)
    return tower


def text_encoder(kind: str, *, width: int = 64) -> tuple[Any, Any]:
    """Return a random text encoder of one of TEXT_ENCODERS with two heads, and its tokenizer."""
    torch.manual_seed(0)
    if kind in ("xlm-roberta", "roberta"):
        tokenizer: Any = xlm_roberta_tokenizer(LETTERS, context=2 * CONTEXT)
        fields = transformer(width, 2, 2, "gelu") | {"type_vocab_size": 1, "layer_norm_eps": 1e-5}
        fields |= {"max_position_embeddings": 2 * CONTEXT + 2, "pad_token_id": 1}
    else:
        tokenizer = bert_tokenizer(CORPUS, context=2 * CONTEXT)
        fields = transformer(width, 2, 2, "gelu") | {"max_position_embeddings": 2 * CONTEXT}
    if kind == "distilbert":
        fields = {"dim": width, "n_layers": 2, "n_heads": 2, "hidden_dim": 3 * width}
        fields |= {"max_position_embeddings": 2 * CONTEXT}
    config = transformers.AutoConfig.for_model(kind, vocab_size=len(tokenizer), **fields)
    return randomised(transformers.AutoModel.from_config(config)).eval(), tokenizer


def save_sentence_transformers(
    folder: Path, kind: str, *, pooling: str = "mean_tokens", dense: bool = True, **settings: object
) -> None:
    """Save a text model as SentenceTransformer.save does: encoder, pooling, and a linear map."""
    model, tokenizer = text_encoder(kind)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    limits = {"max_seq_length": CONTEXT, "do_lower_case": False} | settings
    (folder / "sentence_bert_config.json").write_text(json.dumps(limits))
    kinds = ["Transformer", "Pooling", *(["Dense"] if dense else [])]
    paths = ["", *(f"{number}_{name}" for number, name in enumerate(kinds[1:], 1))]
    modules = [
        {
            "idx": number,
            "name": str(number),
            "path": path,
            "type": f"sentence_transformers.models.{name}",
        }
        for number, (name, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    modes = {
        f"pooling_mode_{mode}": mode == pooling
        for mode in ("cls_token", "mean_tokens", "max_tokens")
    }
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 64} | modes)
    )
    if dense:
        (folder / "2_Dense").mkdir()
        identity = "torch.nn.modules.linear.Identity"
        sizes = {
            "in_features": 64,
            "out_features": WIDTH,
            "bias": True,
            "activation_function": identity,
        }
        (folder / "2_Dense" / "config.json").write_text(json.dumps(sizes))
        linear = {"linear.weight": torch.randn(WIDTH, 64), "linear.bias": torch.randn(WIDTH)}
        torch.save(linear, folder / "2_Dense" / "pytorch_model.bin")


def sentence_rows(folder: Path, texts: list[str], context: int) -> torch.Tensor:
    """Embed texts one at a time by transformers and a mean: unit rows [B, D]."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    rows = []
    with torch.inference_mode():
        for text in texts:
            encoded = tokenizer(text, truncation=True, max_length=context, return_tensors="pt")
            # BERT's tokenizer gives them in transformers 4 too where the model takes none.
            encoded.pop("token_type_ids", None)
            rows.append(model(**encoded).last_hidden_state[0].mean(dim=0))
        found = torch.stack(rows)
        if (folder / "2_Dense").exists():
            dense = torch.load(folder / "2_Dense" / "pytorch_model.bin", weights_only=True)
            found = found @ dense["linear.weight"].T + dense["linear.bias"]
        return torch.nn.functional.normalize(found, dim=-1)


def save_multilingual_clip(folder: Path) -> None:
    """Save a text tower as multilingual-clip does; its config.json has no sizes.

    Its heads are 64 wide, as those of all encoders that multilingual-clip was trained from.
    """
    model, tokenizer = text_encoder("xlm-roberta", width=128)
    state = {f"transformer.{name}": tensor for name, tensor in model.state_dict().items()}
    state["LinearTransformation.weight"] = torch.randn(WIDTH, 128)
    state["LinearTransformation.bias"] = torch.randn(WIDTH)
    torch.save(state, folder / "pytorch_model.bin")
    fields = {"model_type": "M-CLIP", "modelBase": "xlm-roberta-large", "numDims": WIDTH}
    (folder / "config.json").write_text(json.dumps(fields | {"transformerDimensions": 128}))
    tokenizer.save_pretrained(folder)


def save_adapter(folder: Path, base: Path, **fields: object) -> dict[str, torch.Tensor]:
    """Save a LoRA of a tiny CLIP as PEFT does, and return its weights."""
    torch.manual_seed(1)
    weights = {}
    for tower, width in (("vision_model", 160), ("text_model", 64)):
        for name in ("q_proj", "v_proj"):
            for layer in (0, 1):
                stem = f"base_model.model.{tower}.encoder.layers.{layer}.self_attn.{name}"
                weights[f"{stem}.lora_A.weight"] = torch.randn(4, width) * 0.1
                weights[f"{stem}.lora_B.weight"] = torch.randn(width, 4) * 0.1
    weights["base_model.model.visual_projection.weight"] = torch.randn(WIDTH, 160)
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(base),
        "r": 4,
        "lora_alpha": 6,
        "target_modules": ["q_proj", "v_proj"],
        "modules_to_save": ["visual_projection"],
    }
    (folder / "adapter_config.json").write_text(json.dumps(config | fields))
    return weights


def save_dual_encoder(kind: str, folder: Path) -> None:
    """Save a dual encoder of transformers that is no CLIP by its towers, or SigLIP 2 NaFlex."""
    torch.manual_seed(0)
    # BLIP's own range of 1e-10 gives one row for all pictures.
    sizes = transformer(64, 2, 2, "gelu") | {"initializer_range": 0.1}
    image = sizes | {"image_size": 32, "patch_size": 8}
    tokenizer: Any = bert_tokenizer(CORPUS, context=CONTEXT)
    words = {"vocab_size": len(tokenizer), "max_position_embeddings": CONTEXT, "pad_token_id": 0}
    marks = {"bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3}
    text = sizes | words | marks
    square = {"height": 32, "width": 32}
    processor: Any = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=square)
    if kind == "vision-text-dual-encoder":
        config: Any = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(
            transformers.ViTConfig(**image), transformers.BertConfig(**text), projection_dim=48
        )
        processor = transformers.ViTImageProcessor(size=square)
        model: Any = transformers.VisionTextDualEncoderModel(config)
    elif kind == "clips of two models":
        tokenizer = clip_tokenizer(context=CONTEXT)
        ends = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id}
        config = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(
            transformers.CLIPVisionConfig(**image),
            transformers.CLIPTextConfig(**(text | ends)),
            projection_dim=48,
        )
        model = transformers.VisionTextDualEncoderModel(config)
    elif kind == "blip":
        config = transformers.BlipConfig(
            image_text_hidden_size=48,
            text_config=text | {"encoder_hidden_size": 64},
            vision_config=image,
        )
        processor = transformers.BlipImageProcessor(size=square)
        model = transformers.BlipForImageTextRetrieval(config)
    elif kind == "aimv2":
        config = transformers.Aimv2Config(
            projection_dim=48, text_config=text, vision_config=image | {"num_attention_heads": 2}
        )
        model = transformers.Aimv2Model(config)
    elif kind == "groupvit":
        groups = {"num_group_tokens": [4, 2, 0], "num_output_groups": [4, 2, 0]}
        config = transformers.GroupViTConfig(
            projection_dim=48,
            projection_intermediate_dim=96,
            text_config=text,
            vision_config=image | groups | {"depths": [1, 2, 1]},
        )
        model = transformers.GroupViTModel(config)
    elif kind == "siglip2":
        tokenizer = siglip2_tokenizer(CORPUS, vocabulary=400, context=CONTEXT)
        words = {"vocab_size": 420, "max_position_embeddings": CONTEXT, "projection_size": 64}
        words |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
        patches = {"num_patches": 16, "patch_size": 8}
        config = transformers.Siglip2Config(
            text_config=sizes | words, vision_config=sizes | patches
        )
        processor = transformers.Siglip2ImageProcessor(patch_size=8, max_num_patches=16)
        model = transformers.Siglip2Model(config)
        model.logit_scale.data.fill_(4.5)
        model.logit_bias.data.fill_(-12.5)
    else:
        raise KeyError(kind)
    if kind != "siglip2" and hasattr(model, "logit_scale"):
        model.logit_scale.data.fill_(5)  # its exponential is above 100, where some models stop
    randomised(model).save_pretrained(folder)
    processor.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
