"""OpenCLIP checkpoints of every kind against open_clip."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from pickle_trap import SPRUNG, Trap
from safetensors.torch import save_file

from twinlens.bundle.specs import TextSpec
from twinlens.texts.tokenizer import Tokenizer
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.errors import CheckpointError
from twinlens_export.graph.graph import Graph
from twinlens_export.towers.tower_graphs import image_graph, text_graph
from twinlens_export.verification import reference_model

Array = NDArray[Any]
Embed = Callable[[Array], Array]
Document = Callable[..., dict[str, Any]]

LEAST = 0.99999
TEXTS = [
    "a dog",
    "x",
    "it's a RED car &amp; a bus",
    "the quick brown fox " * 9,
    "naïve café 東京 🙂",
]


@pytest.fixture(scope="session")
def open_clip() -> Any:  # noqa: ANN401
    try:
        import open_clip  # noqa: PLC0415
    except (ImportError, RuntimeError) as error:  # torchvision's, where it does not fit torch
        pytest.skip(f"open_clip is not there ({error})")
    return open_clip


def write(folder: Path, fields: Mapping[str, Any], library: Any) -> Any:  # noqa: ANN401
    """Write a checkpoint of random weights as open_clip does, and return its model."""
    model_cfg = dict(fields["model_cfg"])
    custom = model_cfg.pop("custom_text", False)
    kind = library.CustomTextCLIP if custom else library.CLIP
    torch.manual_seed(0)
    model = (library.CoCa if "multimodal_cfg" in model_cfg else kind)(**model_cfg)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith(".gamma"):
                tensor.uniform_(0.2, 1)  # a layer scale begins so small that its layer is nothing
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps(fields))
    return model.eval()


@pytest.mark.parametrize(
    "changes",
    [
        {"quick_gelu": True},
        {"custom_text": True},
        {
            "image": {"no_ln_pre": True, "head_width": 32},
            "text": {"pool_type": "eos", "eos_id": 49407},
        },
        {"text": {"no_causal_mask": True}, "custom_text": True},
        {"image": {"ls_init_value": 1e-4}, "text": {"ls_init_value": 1e-4}},
        {"image": {"pool_type": "avg", "final_ln_after_pool": True, "no_ln_pre": True}},
        {"image": {"pool_type": "avg"}},
        {"image": {"qk_norm": True, "scale_attn": True}, "text": {"scale_fc": True}},
        {"image": {"layers": [1, 1, 1, 1], "width": 16, "image_size": 64}},
        {
            "image": {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
            "text": {"embed_cls": True, "output_tokens": True},
            "multimodal_cfg": {"width": 64, "heads": 2, "layers": 1, "context_length": 16},
            "custom_text": True,
        },
        {
            "text": {"no_causal_mask": True, "pool_type": "last", "proj_bias": True},
            "custom_text": True,
            "init_logit_bias": -10,
        },
    ],
)
def test_a_folder_of_openclip_is_followed_from_words_to_rows(
    changes: dict[str, Any],
    document: Document,
    open_clip: Any,  # noqa: ANN401
    tmp_path: Path,
    opened: Callable[[Graph], Embed],
    pixels_of: Callable[[Checkpoint], Array],
) -> None:
    fields = document(**changes)
    model = write(tmp_path, fields, open_clip)
    checkpoint = read_checkpoint(str(tmp_path))
    images = pixels_of(checkpoint)
    rows = opened(image_graph(checkpoint.image))(images)
    assert (rows * reference_model.image_rows(checkpoint, images)).sum(axis=1).min() > LEAST
    (tmp_path / "tokenizer.json").write_text(checkpoint.files["tokenizer.json"], encoding="utf-8")
    ids = Tokenizer(tmp_path / "tokenizer.json", checkpoint.text_spec).encode(TEXTS)
    theirs = open_clip.get_tokenizer(f"local-dir:{tmp_path}")(TEXTS)
    np.testing.assert_array_equal(ids, theirs)
    with torch.inference_mode():
        wanted = model.encode_text(theirs, normalize=True).numpy()
    assert (opened(text_graph(checkpoint.text))(ids) * wanted).sum(axis=1).min() > LEAST
    assert checkpoint.native_bias == fields["model_cfg"].get("init_logit_bias")


@pytest.mark.parametrize("pooler", ["mean_pooler", "cls_pooler", "cls_last_hidden_state_pooler"])
@pytest.mark.parametrize("projection", ["linear", "mlp"])
def test_a_text_tower_of_transformers_is_read_without_a_network(
    pooler: str,
    projection: str,
    family_folder: Callable[[str], Path],
    open_clip: Any,  # noqa: ANN401
    document: Document,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opened: Callable[[Graph], Embed],
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder = Path(shutil.copytree(family_folder("chinese_clip"), tmp_path / "biomedical"))
    (folder / "model.safetensors").unlink()
    config = transformers.BertConfig(
        vocab_size=200, hidden_size=64, num_hidden_layers=2, num_attention_heads=2
    )
    config.save_pretrained(folder)
    fields = document(custom_text=True)
    fields["model_cfg"]["text_cfg"] = {
        "hf_model_name": str(folder),
        "hf_model_pretrained": False,
        "hf_tokenizer_name": "anyone/anything",
        "hf_proj_type": projection,
        "hf_pooler_type": pooler,
        "context_length": 16,
    }
    model = write(folder, fields, open_clip)
    fields["model_cfg"]["text_cfg"]["hf_model_name"] = "someone/on-the-hub"
    (folder / "open_clip_config.json").write_text(json.dumps(fields))
    checkpoint = read_checkpoint(str(folder))
    (folder / "tokenizer.json").write_text(checkpoint.files["tokenizer.json"], encoding="utf-8")
    spec = checkpoint.text_spec
    assert (spec.trim, spec.clean, spec.context) == (True, "openai_cased", 16)
    ids = Tokenizer(folder / "tokenizer.json", spec).encode(TEXTS)
    theirs = open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS)
    np.testing.assert_array_equal(ids, theirs)
    with torch.inference_mode():
        wanted = model.encode_text(theirs, normalize=True).numpy()
    embed = opened(text_graph(checkpoint.text))
    assert (embed(ids) * wanted).sum(axis=1).min() > LEAST
    short = ids[:1, : int((ids[0] != spec.pad_id).sum())]
    assert (embed(short) * wanted[:1]).sum() > LEAST


def test_a_text_that_ends_without_its_separator_is_followed(
    family_folder: Callable[[str], Path],
    open_clip: Any,  # noqa: ANN401
    document: Document,
    tmp_path: Path,
) -> None:
    folder = Path(shutil.copytree(family_folder("chinese_clip"), tmp_path / "clipa"))
    (folder / "config.json").unlink()
    (folder / "model.safetensors").unlink()
    text = {
        "hf_tokenizer_name": "bert-base-uncased",
        "tokenizer_kwargs": {"strip_sep_token": True},
        "pool_type": "last",
        "no_causal_mask": True,
    }
    write(folder, document(text=text), open_clip)
    checkpoint = read_checkpoint(str(folder))
    assert (checkpoint.text_spec.end_id, checkpoint.text_spec.pad_id) == (0, 0)
    (folder / "tokenizer.json").write_text(checkpoint.files["tokenizer.json"], encoding="utf-8")
    ids = Tokenizer(folder / "tokenizer.json", checkpoint.text_spec).encode(TEXTS)
    np.testing.assert_array_equal(ids, open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS))


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh"])
def test_siglip_of_openclip_is_followed_from_words_to_rows(
    activation: str,
    family_folder: Callable[[str], Path],
    open_clip: Any,  # noqa: ANN401
    siglip_document: dict[str, Any],
    tmp_path: Path,
    opened: Callable[[Graph], Embed],
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
    model = write(folder, siglip_document, open_clip)
    checkpoint = read_checkpoint(str(folder))
    assert checkpoint.image.encoder.activation == activation
    assert checkpoint.native_bias == -10
    images = pixels_of(checkpoint)
    rows = opened(image_graph(checkpoint.image))(images)
    assert (rows * reference_model.image_rows(checkpoint, images)).sum(axis=1).min() > LEAST
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
    document: Document,
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
    wanted = open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS)
    (folder / "tokenizer.json").write_text(checkpoint.files["tokenizer.json"], encoding="utf-8")
    ids = Tokenizer(folder / "tokenizer.json", checkpoint.text_spec).encode(TEXTS)
    np.testing.assert_array_equal(ids, wanted)


def test_what_was_fetched_from_the_hub_is_read_by_its_id(
    hub: Callable[[Path, str], str],
    open_clip: Any,  # noqa: ANN401
    tmp_path: Path,
    document: Document,
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder, document(), open_clip)
    found = read_checkpoint(hub(folder, "someone/openclip"))
    assert found.name == "someone/openclip"
    assert found.sha256 == read_checkpoint(str(folder)).sha256


def test_a_pickle_that_would_run_is_refused(
    open_clip: Any,  # noqa: ANN401
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    document: Document,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "open_clip_config.json").write_text(json.dumps(document()))
    torch.save({"state_dict": Trap()}, tmp_path / "open_clip_pytorch_model.bin")
    with pytest.raises(CheckpointError, match="no readable weights"):
        read_checkpoint(str(tmp_path))
    assert not (tmp_path / SPRUNG).exists()
