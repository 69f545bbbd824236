"""Folders of sentence-transformers: text models, CLIPs, and pairs of the two."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_checkpoints import CONTEXT
from tiny_kinds import (
    WIDTH,
    save_multilingual_clip,
    save_sentence_transformers,
    sentence_rows,
    text_encoder,
)
from transformers_rows import transformers_rows

import twinlens
import twinlens_export
from twinlens.texts.tokenizer import Tokenizer
from twinlens_export.checkpoints.checkpoint import read_checkpoint
from twinlens_export.checkpoints.families.text_encoders import TEXT_ENCODERS
from twinlens_export.errors import CheckpointError
from twinlens_export.graph.graph import Graph
from twinlens_export.precision import in_precision
from twinlens_export.towers.tower_graphs import text_graph

TEXTS = ["a dog", "", "two dogs, running on the beach! " * 9, "一只狗 </s> [SEP]", "x"]


@pytest.mark.parametrize("kind", sorted(TEXT_ENCODERS))
def test_a_text_model_has_the_rows_of_its_encoder_and_its_linear_map(
    kind: str, opened: Callable[[Graph], Callable[[Any], Any]], tmp_path: Path
) -> None:
    save_sentence_transformers(tmp_path, kind, dense=kind != "bert")
    checkpoint = read_checkpoint(str(tmp_path))
    (tmp_path / "ours.json").write_text(checkpoint.files["tokenizer.json"])
    tokenizer = Tokenizer(tmp_path / "ours.json", checkpoint.text_spec)
    embed = opened(in_precision(partial(text_graph, checkpoint.text), "fp32"))
    texts = [text for text in TEXTS if "</s>" not in text]
    rows = embed(tokenizer.encode(texts))
    wanted = sentence_rows(tmp_path, texts, CONTEXT).numpy()
    assert (rows * wanted).sum(axis=1).min() > 0.99999
    assert checkpoint.image is None
    for text, row in zip(texts, rows, strict=True):
        np.testing.assert_allclose(embed(tokenizer.encode([text]))[0], row, atol=2e-6)


@pytest.mark.parametrize("file", ["sentence_bert_config.json", "sentence_distilbert_config.json"])
def test_a_text_is_as_long_as_the_librarys_own_file_says(file: str, tmp_path: Path) -> None:
    save_sentence_transformers(tmp_path, "distilbert", max_seq_length=12)
    (tmp_path / "sentence_bert_config.json").rename(tmp_path / file)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": 8}))
    checkpoint = read_checkpoint(str(tmp_path))
    assert checkpoint.text_spec.context == 12


@pytest.mark.filterwarnings("ignore")  # the library's own
@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "clip"])
def test_rows_are_those_of_the_library(
    kind: str,
    exported: Callable[..., twinlens.Model],
    family_folder: Callable[[str], Path],
    photos: list[Image.Image],
    tmp_path: Path,
) -> None:
    library = pytest.importorskip("sentence_transformers")
    first, folder = tmp_path / "first", tmp_path / "saved"
    if kind == "clip":
        first = family_folder("clip")
    else:
        first.mkdir()
        save_sentence_transformers(first, kind, max_seq_length=12)
    theirs = library.SentenceTransformer(str(first), device="cpu")
    theirs.save(str(folder))
    texts = [text for text in TEXTS if "</s>" not in text]
    for place in (first, folder):
        model = exported(place, only="both" if kind == "clip" else "text")
        wanted = theirs.encode(texts, normalize_embeddings=True)
        assert (model.embed_texts(texts) * wanted).sum(axis=1).min() > 0.99999
    if kind == "clip":
        wanted = theirs.encode(photos, normalize_embeddings=True)
        assert (model.embed_images(photos) * wanted).sum(axis=1).min() > 0.999


def test_an_image_tower_and_a_text_tower_become_one_bundle(
    family_folder: Callable[[str], Path],
    exported: Callable[..., twinlens.Model],
    photos: list[Image.Image],
    tmp_path: Path,
) -> None:
    clip, folder = tmp_path / "st", tmp_path / "texts"
    shutil.copytree(family_folder("clip"), clip / "0_CLIPModel")
    module = {"idx": 0, "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}
    (clip / "modules.json").write_text(json.dumps([module]))
    folder.mkdir()
    save_sentence_transformers(folder, "distilbert")
    model = exported(clip, text_from=folder, precision="int8")
    images, _ = transformers_rows(family_folder("clip"), photos, TEXTS)
    assert (model.embed_images(photos) * images).sum(axis=1).min() > 0.995
    texts = [text for text in TEXTS if "</s>" not in text]
    wanted = sentence_rows(folder, texts, CONTEXT).numpy()
    assert (model.embed_texts(texts) * wanted).sum(axis=1).min() > 0.995
    for text, row in zip(texts, model.embed_texts(texts), strict=True):
        np.testing.assert_array_equal(model.embed_texts([text])[0], row)
    assert model.about["model"] == "st + texts"
    assert model.classify(photos[:2], ["dog", "cat"]).probabilities.shape == (2, 2)


def test_two_widths_are_no_pair(family_folder: Callable[[str], Path], tmp_path: Path) -> None:

    save_sentence_transformers(tmp_path, "bert", dense=False)
    with pytest.raises(CheckpointError, match=f"images in width {WIDTH}, .* texts in 64; give two"):
        twinlens_export.export(family_folder("clip"), tmp_path / "out", text_from=tmp_path)


def test_multilingual_clip_has_the_mean_of_its_tokens_and_a_linear_map(
    exported: Callable[..., twinlens.Model], tmp_path: Path
) -> None:
    save_multilingual_clip(tmp_path)
    model = exported(tmp_path, only="text")
    encoder, _ = text_encoder("xlm-roberta", width=128)
    encoder.save_pretrained(tmp_path / "encoder")
    shutil.copy(tmp_path / "tokenizer.json", tmp_path / "encoder")
    shutil.copy(tmp_path / "tokenizer_config.json", tmp_path / "encoder")

    state = torch.load(tmp_path / "pytorch_model.bin", weights_only=True)
    (tmp_path / "encoder" / "2_Dense").mkdir()
    names = ("weight", "bias")
    dense = {f"linear.{name}": state[f"LinearTransformation.{name}"] for name in names}
    torch.save(dense, tmp_path / "encoder" / "2_Dense" / "pytorch_model.bin")
    texts = [text for text in TEXTS if "</s>" not in text]
    wanted = sentence_rows(tmp_path / "encoder", texts, 2 * CONTEXT).numpy()
    assert (model.embed_texts(texts) * wanted).sum(axis=1).min() > 0.99999


@pytest.mark.parametrize(
    ("file", "fields", "message"),
    [
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "pooling of .*max_tokens; "),
        ("2_Dense/config.json", {"activation_function": "x.Tanh"}, "activation x.Tanh; Identity"),
        (
            "modules.json",
            {"type": "sentence_transformers.models.WordEmbeddings"},
            "modules WordEmbeddings, Pooling, Dense; ",
        ),
        ("modules.json", {"type": "custom_st.Transformer"}, "modules custom_st.Transformer, Pool"),
        ("2_Dense/config.json", {"use_residual": True}, "Dense module .* use_residual = True, "),
        (
            "sentence_bert_config.json",
            {"tokenizer_args": {"padding_side": "left"}},
            "Transformer module of .* has tokenizer_args = .*, which may change rows",
        ),
    ],
)
def test_other_steps_are_refused(
    file: str, fields: dict[str, object], message: str, tmp_path: Path
) -> None:
    save_sentence_transformers(tmp_path, "bert")
    path = tmp_path / file
    document = json.loads(path.read_text())
    if isinstance(document, list):
        document[0] |= fields
    else:
        document |= fields
    path.write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(str(tmp_path))


def test_a_prompt_before_each_text_is_refused_with_the_way_out(tmp_path: Path) -> None:
    save_sentence_transformers(tmp_path, "bert")
    path = tmp_path / "config_sentence_transformers.json"
    prompts = {"query": "query: ", "document": ""}
    path.write_text(json.dumps({"prompts": prompts, "default_prompt_name": "document"}))
    assert read_checkpoint(str(tmp_path)).text_spec.context == CONTEXT
    path.write_text(json.dumps({"prompts": prompts, "default_prompt_name": "query"}))
    with pytest.raises(CheckpointError, match=r"the prompt 'query: ' before .* to null, and begin"):
        read_checkpoint(str(tmp_path))


def test_a_clip_with_a_step_behind_it_is_refused(
    family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    shutil.copytree(family_folder("clip"), tmp_path / "0_CLIPModel")
    kinds = {"0_CLIPModel": "CLIPModel", "1_Dense": "Dense"}
    modules = [
        {"idx": number, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(kinds.items())
    ]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(CheckpointError, match="modules CLIPModel, Dense; supported are CLIPModel"):
        read_checkpoint(str(tmp_path))
