"""OpenCLIP checkpoints: what their configuration says, their weights, and their words."""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from safetensors.torch import save_file

from twinlens.bundle import TextSpec
from twinlens.texts import Tokenizer
from twinlens_export import original
from twinlens_export.anatomy import F32, Pixels
from twinlens_export.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.errors import CheckpointError
from twinlens_export.graph import Graph
from twinlens_export.open_clip_config import read_open_clip_config
from twinlens_export.open_clip_words import read_open_clip_words
from twinlens_export.parts import Parts, Shape, unfused
from twinlens_export.towers import image_graph, text_graph
from twinlens_export.transformers_source import TransformersModel

Array = NDArray[Any]
Program = Callable[[Array], Array]

LEAST = 0.99999
TEXTS = [
    "a dog",
    "x",
    "it's a RED car &amp; a bus",
    "the quick brown fox " * 9,
    "naïve café 東京 🙂",
]

IMAGE = {"image_size": 32, "layers": 2, "width": 128, "patch_size": 8}
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}
TRUNK = {
    "image_size": 32,
    "timm_model_name": "vit_small_siglip_32",
    "timm_pool": "map",
    "timm_proj": "none",
}
SIGLIP_TEXT = {
    "no_causal_mask": True,
    "pool_type": "last",
    "proj_bias": True,
    "norm_kwargs": {"eps": 1e-6},
    "act_kwargs": {"approximate": "tanh"},
    "hf_tokenizer_name": "anyone/anything",
    "tokenizer_kwargs": {"clean": "canonicalize"},
}


def document(
    image: Mapping[str, Any] = {}, text: Mapping[str, Any] = {}, **model: object
) -> dict[str, Any]:
    towers = {"vision_cfg": IMAGE | dict(image), "text_cfg": TEXT | dict(text)}
    return {
        "model_cfg": {"embed_dim": 48, **towers, **model},
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3},
    }


# The configuration


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            document({"timm_model_name": "vit_base_patch16_siglip_gap_224"}),
            r"timm's vit_base_patch16_siglip_gap_224, .* own two transformers, and timm's SigLIP",
        ),
        (document(TRUNK | {"timm_pool": "avg"}), "timm_pool 'avg'; 'map' is supported"),
        (document(TRUNK | {"timm_proj": "linear"}), "timm_proj 'linear'; 'none' is supported"),
        (document({"timm_model_name": "fastvit_mci1"}), "timm's fastvit_mci1, which is not"),
        (document({"layers": [3, 4, 6, 3]}), "is a ResNet, which is not supported"),
        (document(text={"hf_model_name": "roberta-base"}), "is a roberta-base, which is not"),
        (document(multimodal_cfg={"width": 64}), "is a CoCa, which is not supported"),
        (document({"attentional_pool": True}), "vision_cfg has attentional_pool = True"),
        (document({"ls_init_value": 1e-4}), "vision_cfg has ls_init_value = 0.0001"),
        (document({"pool_type": "avg"}), "pool_type 'avg'; 'tok' is supported"),
        (document({"image_size": [32, 64]}), r"images are not square: \[32, 64\]"),
        (document({"new": 1}), "vision_cfg has new = 1, which is not supported"),
        (document(text={"embed_cls": True}), "text_cfg has embed_cls = True"),
        (document(text={"pool_type": "last"}), "pool_type 'last'; supported are argmax, eos"),
        (document(text={"act_kwargs": {"approximate": "x"}}), "text_cfg has act_kwargs"),
        ({"preprocess_cfg": {}}, "has no 'model_cfg'"),
    ],
)
def test_what_the_towers_cannot_do_is_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_open_clip_config(document)


def test_the_configuration_tells_what_the_weights_do_not() -> None:
    text = {"pool_type": "eos", "eos_id": 7, "norm_kwargs": {"eps": 1e-6}}
    config = read_open_clip_config(document({"head_width": 32}, text, quick_gelu=True))
    assert (config.image.heads, config.image.activation) == (4, "quick_gelu")
    assert (config.text.heads, config.text.epsilon, config.end_id) == (2, 1e-6, 7)
    assert (config.family.text.sight, config.family.text.place) == ("causal", "end")
    assert read_open_clip_config(document()).end_id is None
    assert read_open_clip_config(document()).text.activation == "gelu"
    bidirectional = {
        "no_causal_mask": True,
        "pool_type": "last",
        "act_kwargs": {"approximate": "tanh"},
    }
    config = read_open_clip_config(document(text=bidirectional))
    assert (config.family.text.sight, config.family.text.place) == ("all", "last")
    assert config.text.activation == "gelu_tanh"


# The weights, by an original that is not open_clip's


def as_open_clip(weights: Mapping[str, torch.Tensor]) -> dict[str, F32]:
    """A state dict of transformers' CLIP as open_clip has it."""
    names = {
        "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
        "text_model.final_layer_norm.": "ln_final.",
        "text_model.encoder.layers.": "transformer.resblocks.",
        "vision_model.embeddings.patch_embedding.": "visual.conv1.",
        "vision_model.embeddings.class_embedding": "visual.class_embedding",
        "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
        "vision_model.pre_layrnorm.": "visual.ln_pre.",
        "vision_model.post_layernorm.": "visual.ln_post.",
        "vision_model.encoder.layers.": "visual.transformer.resblocks.",
        ".layer_norm": ".ln_",
        ".self_attn.out_proj.": ".attn.out_proj.",
        ".mlp.fc1.": ".mlp.c_fc.",
        ".mlp.fc2.": ".mlp.c_proj.",
    }
    turned: dict[str, F32] = {}
    for name, tensor in weights.items():
        if ".k_proj." in name or ".v_proj." in name:
            continue
        array = tensor.numpy()
        if ".q_proj." in name:
            three = [weights[name.replace(".q_", f".{letter}_")].numpy() for letter in "qkv"]
            array = np.concatenate(three)
            name = name.replace(".self_attn.q_proj.", ".attn.in_proj_")  # noqa: PLW2901
        for theirs, ours in names.items():
            name = name.replace(theirs, ours)  # noqa: PLW2901
        turned[name] = array
    turned["visual.proj"] = turned.pop("visual_projection.weight").T
    turned["text_projection"] = turned.pop("text_projection.weight").T
    return turned


def test_weights_of_openclip_are_the_same_towers(
    family_folder: Callable[[str], Path],
    family_checkpoint: Callable[[str], Checkpoint],
    opened: Callable[[Graph], Program],
    pixels_of: Callable[[Checkpoint], Array],
) -> None:
    clip = family_checkpoint("clip")
    model = transformers.CLIPModel.from_pretrained(family_folder("clip"))
    image = {"width": 160, "head_width": 80}
    config = read_open_clip_config(document(image, {"heads": 1, "vocab_size": 514}))
    weights = as_open_clip(model.state_dict())
    parts = Parts(family=config.family, weights=unfused(weights, config.family))
    halves = Pixels(factor=1 / 255, mean=(0.5,) * 3, std=(0.5,) * 3)
    tower = parts.image_tower(config.image, side_px=32, pixels=halves)
    images = pixels_of(clip)
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1
    plain = TransformersModel(model=model, unseen_id=None)
    with torch.inference_mode():
        wanted = torch.nn.functional.normalize(plain.image_features(inputs), dim=-1).numpy()
    assert (opened(image_graph(tower))(images) * wanted).sum(axis=1).min() > LEAST
    texts = parts.text_tower(config.text, pad_id=0, end_id=config.end_id)
    ids = np.array([[512, 5, 9, 513, 0, 0], [512, 8, 8, 8, 8, 513]])
    rows = original.text_rows(clip, ids)
    assert (opened(text_graph(texts))(ids) * rows).sum(axis=1).min() > LEAST


def as_timm(weights: Mapping[str, torch.Tensor]) -> dict[str, F32]:
    """The image half of a state dict of transformers' SigLIP as timm has it."""
    names = {
        "vision_model.embeddings.patch_embedding.": "patch_embed.proj.",
        "vision_model.embeddings.position_embedding.weight": "pos_embed",
        "vision_model.encoder.layers.": "blocks.",
        "vision_model.post_layernorm.": "norm.",
        "vision_model.head.layernorm.": "attn_pool.norm.",
        "vision_model.head.mlp.": "attn_pool.mlp.",
        "vision_model.head.attention.out_proj.": "attn_pool.proj.",
        "vision_model.head.probe": "attn_pool.latent",
        ".layer_norm": ".norm",
        ".self_attn.out_proj.": ".attn.proj.",
    }
    turned: dict[str, F32] = {}
    for name, tensor in weights.items():
        array = tensor.numpy()
        if not name.startswith("vision_model") or ".k_proj." in name or ".v_proj." in name:
            continue
        if ".q_proj." in name:
            three = [weights[name.replace(".q_", f".{letter}_")].numpy() for letter in "qkv"]
            array = np.concatenate(three)
            name = name.replace(".self_attn.q_proj.", ".attn.qkv.")  # noqa: PLW2901
        for theirs, ours in names.items():
            name = name.replace(theirs, ours)  # noqa: PLW2901
        turned[f"visual.trunk.{name}"] = array
    for kind in ("weight", "bias"):
        whole = turned.pop(f"visual.trunk.vision_model.head.attention.in_proj_{kind}")
        query, key_value = np.split(whole, [len(whole) // 3])
        turned[f"visual.trunk.attn_pool.q.{kind}"] = query
        turned[f"visual.trunk.attn_pool.kv.{kind}"] = key_value
    turned["visual.trunk.pos_embed"] = turned["visual.trunk.pos_embed"][None]
    return turned


def test_weights_of_timms_siglip_are_the_same_tower(
    family_folder: Callable[[str], Path],
    family_checkpoint: Callable[[str], Checkpoint],
    opened: Callable[[Graph], Program],
    pixels_of: Callable[[Checkpoint], Array],
) -> None:
    siglip = family_checkpoint("siglip")
    model = transformers.SiglipModel.from_pretrained(family_folder("siglip"))
    family = read_open_clip_config(document(TRUNK, SIGLIP_TEXT)).family
    parts = Parts(family=family, weights=unfused(as_timm(model.state_dict()), family))
    shape = Shape(layers=2, heads=2, activation="gelu_tanh", epsilon=1e-6)
    tower = parts.image_tower(shape, side_px=30, pixels=siglip.image.pixels)
    images = pixels_of(siglip)
    rows = opened(image_graph(tower))(images)
    assert (rows * original.image_rows(siglip, images)).sum(axis=1).min() > LEAST


# The words, by a tokenizer that is not open_clip's


def test_its_byte_pairs_are_those_that_transformers_reads(
    clip_tokenizer: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    model = json.loads(clip_tokenizer.to_str())["model"]
    theirs = SimpleNamespace(
        encoder=model["vocab"],
        decoder={number: token for token, number in model["vocab"].items()},
        bpe_ranks={tuple(pair): rank for rank, pair in enumerate(model["merges"])},
        sot_token_id=model["vocab"]["<|startoftext|>"],
        eot_token_id=model["vocab"]["<|endoftext|>"],
        context_length=77,
    )
    words = read_open_clip_words(theirs, context=16, trim=True, options={})
    assert words.spec == TextSpec(
        context=16, end_id=theirs.eot_token_id, pad_id=0, trim=True, clean="openai"
    )
    (tmp_path / "tokenizer.json").write_text(words.tokenizer, encoding="utf-8")
    ours = Tokenizer(tmp_path / "tokenizer.json", words.spec)
    clip_tokenizer.enable_truncation(16)
    for text in ("a dog in the rain", "it's 1999, isn't it?", "DO AND THING " * 9, ""):
        assert ours.encode_ragged([text]) == [clip_tokenizer.encode(text).ids]


@pytest.mark.parametrize("options", [{"reduction_mask": "syntax"}, {"clean": "other"}])
def test_what_its_words_do_and_the_runtime_cannot_is_refused(options: dict[str, str]) -> None:
    theirs = SimpleNamespace(bpe_ranks={})
    with pytest.raises(CheckpointError, match=r"tokenizer_kwargs has .*clean = lower or"):
        read_open_clip_words(theirs, context=16, trim=True, options=options)


# open_clip itself


@pytest.fixture(scope="session")
def open_clip() -> Any:  # noqa: ANN401
    try:
        import open_clip  # noqa: PLC0415
    except (ImportError, RuntimeError) as error:  # torchvision's, where it does not fit torch
        pytest.skip(f"open_clip is not there ({error})")
    return open_clip


def write(folder: Path, fields: Mapping[str, Any], library: Any) -> Any:  # noqa: ANN401
    """A checkpoint of random weights, as open_clip writes it."""
    model_cfg = dict(fields["model_cfg"])
    custom = model_cfg.pop("custom_text", False)
    torch.manual_seed(0)
    model = (library.CustomTextCLIP if custom else library.CLIP)(**model_cfg)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps(fields))
    return model.eval()


@pytest.mark.parametrize(
    "fields",
    [
        document(quick_gelu=True),
        document(custom_text=True),
        document({"no_ln_pre": True, "head_width": 32}, {"pool_type": "eos", "eos_id": 49407}),
        document(text={"no_causal_mask": True}, custom_text=True),
        document(
            text={"no_causal_mask": True, "pool_type": "last", "proj_bias": True},
            custom_text=True,
            init_logit_bias=-10,
        ),
    ],
)
def test_a_folder_of_openclip_is_followed_from_words_to_rows(
    fields: dict[str, Any],
    open_clip: Any,  # noqa: ANN401
    tmp_path: Path,
    opened: Callable[[Graph], Program],
    pixels_of: Callable[[Checkpoint], Array],
) -> None:
    model = write(tmp_path, fields, open_clip)
    checkpoint = read_checkpoint(str(tmp_path))
    images = pixels_of(checkpoint)
    rows = opened(image_graph(checkpoint.image))(images)
    assert (rows * original.image_rows(checkpoint, images)).sum(axis=1).min() > LEAST
    (tmp_path / "tokenizer.json").write_text(checkpoint.files["tokenizer.json"], encoding="utf-8")
    ids = Tokenizer(tmp_path / "tokenizer.json", checkpoint.text_spec).encode(TEXTS)
    theirs = open_clip.get_tokenizer(f"local-dir:{tmp_path}")(TEXTS)
    np.testing.assert_array_equal(ids, theirs)
    with torch.inference_mode():
        wanted = model.encode_text(theirs, normalize=True).numpy()
    assert (opened(text_graph(checkpoint.text))(ids) * wanted).sum(axis=1).min() > LEAST
    assert checkpoint.native_bias == fields["model_cfg"].get("init_logit_bias")


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh"])
def test_siglip_of_openclip_is_followed_from_words_to_rows(
    activation: str,
    family_folder: Callable[[str], Path],
    open_clip: Any,  # noqa: ANN401
    tmp_path: Path,
    opened: Callable[[Graph], Program],
    pixels_of: Callable[[Checkpoint], Array],
) -> None:
    timm = pytest.importorskip("timm")

    def vit_small_siglip_32(**options: Any) -> Any:  # noqa: ANN401
        for name in ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"):
            options.pop(name, None)
        options |= {"img_size": 32, "patch_size": 8, "embed_dim": 128, "depth": 2, "num_heads": 4}
        options |= {"class_token": False, "act_layer": activation}
        return timm.models.VisionTransformer(**options)

    timm.models._registry._model_entrypoints[vit_small_siglip_32.__name__] = vit_small_siglip_32
    folder = Path(shutil.copytree(family_folder("chinese_clip"), tmp_path / "siglip"))
    (folder / "config.json").unlink()
    (folder / "model.safetensors").unlink()
    fields = document(TRUNK, SIGLIP_TEXT, custom_text=True, init_logit_bias=-10)
    fields["model_cfg"]["embed_dim"] = 128
    model = write(folder, fields, open_clip)
    checkpoint = read_checkpoint(str(folder))
    assert checkpoint.image.encoder.activation == activation
    assert checkpoint.native_bias == -10
    images = pixels_of(checkpoint)
    rows = opened(image_graph(checkpoint.image))(images)
    assert (rows * original.image_rows(checkpoint, images)).sum(axis=1).min() > LEAST
    (folder / "tokenizer.json").write_text(checkpoint.files["tokenizer.json"], encoding="utf-8")
    texts = [*TEXTS, "snake_case, and (more)!  __"]
    ids = Tokenizer(folder / "tokenizer.json", checkpoint.text_spec).encode(texts)
    theirs = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
    np.testing.assert_array_equal(ids, theirs)
    with torch.inference_mode():
        wanted = model.encode_text(theirs, normalize=True).numpy()
    assert (opened(text_graph(checkpoint.text))(ids) * wanted).sum(axis=1).min() > LEAST


def test_words_of_transformers_are_read_where_openclip_names_them(
    family_folder: Callable[[str], Path],
    open_clip: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    folder = Path(shutil.copytree(family_folder("metaclip_2"), tmp_path / "both"))
    (folder / "config.json").unlink()
    (folder / "model.safetensors").unlink()
    text = {"hf_tokenizer_name": "anyone/anything", "pool_type": "eos", "eos_id": 2}
    write(folder, document(text=text), open_clip)
    checkpoint = read_checkpoint(str(folder))
    assert checkpoint.text_spec == TextSpec(
        context=16, end_id=2, pad_id=1, trim=True, clean="openai_cased"
    )
    (folder / "tokenizer.json").write_text(checkpoint.files["tokenizer.json"], encoding="utf-8")
    ids = Tokenizer(folder / "tokenizer.json", checkpoint.text_spec).encode(TEXTS)
    np.testing.assert_array_equal(ids, open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS))


def test_what_was_fetched_from_the_hub_is_read_by_its_id(
    hub: Callable[[Path, str], str],
    open_clip: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder, document(), open_clip)
    found = read_checkpoint(hub(folder, "someone/openclip"))
    assert found.name == "someone/openclip"
    assert found.sha256 == read_checkpoint(str(folder)).sha256


def test_a_folder_of_both_is_read_as_that_of_transformers(
    family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(family_folder("clip"), tmp_path / "both"))
    (folder / "open_clip_config.json").write_text(json.dumps(document()))
    assert read_checkpoint(str(folder)).family.name == "clip"


def test_without_open_clip_the_error_names_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    (tmp_path / "open_clip_config.json").write_text(json.dumps(document()))
    with pytest.raises(CheckpointError, match="pip install open_clip_torch"):
        read_checkpoint(str(tmp_path))


def test_a_folder_without_weights_is_an_error_with_a_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", SimpleNamespace())
    (tmp_path / "open_clip_config.json").write_text(json.dumps(document()))
    with pytest.raises(CheckpointError, match=r"has none of open_clip_model\.safetensors, .*whole"):
        read_checkpoint(str(tmp_path))


class Trap:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("sprung"),)


def test_a_pickle_that_would_run_is_refused(
    open_clip: Any,  # noqa: ANN401
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "open_clip_config.json").write_text(json.dumps(document()))
    torch.save({"state_dict": Trap()}, tmp_path / "open_clip_pytorch_model.bin")
    with pytest.raises(CheckpointError, match="no readable weights"):
        read_checkpoint(str(tmp_path))
    assert not (tmp_path / "sprung").exists()
