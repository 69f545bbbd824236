"""Towers of other kinds in the files of other tools: rows that are near, and no file too many."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import transformers
from PIL import Image
from tiny_kinds import save_dual_encoder, save_lone_tower, save_sentence_transformers

import twinlens
from twinlens.bundle.bundle import open_bundle
from twinlens_export import write_portable
from twinlens_export.__main__ import main
from twinlens_export.checkpoint_pair import pair_of
from twinlens_export.checkpoints.checkpoint import Checkpoint

TEXTS = ["a dog", "x", "two dogs, running on the beach! " * 9]
TOKENIZER = {"special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"}
NEAR = 0.9998


@pytest.mark.parametrize("kind", ["CLIPTextModelWithProjection", "SiglipTextModel", "bert"])
def test_a_text_tower_alone_is_read_by_autotokenizer(
    kind: str,
    family_folder: Callable[[str], Path],
    exported: Callable[..., twinlens.Model],
    tmp_path: Path,
) -> None:
    if kind == "bert":
        save_sentence_transformers(tmp_path, kind)
    else:
        save_lone_tower(kind, family_folder("siglip" if "Siglip" in kind else "clip"), tmp_path)
    model = exported(tmp_path, precision="fp32", only="text")
    place = tmp_path / "portable"
    write_portable(open_bundle(tmp_path / "bundle"), place, ["fp32"])
    names = {path.name for path in place.rglob("*") if path.is_file()}
    assert names == {*TOKENIZER, "README.md", "config.json", "text_model.onnx"}
    onnx.checker.check_model(place / "onnx" / "text_model.onnx", full_check=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    ids = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="np")["input_ids"]
    session = onnxruntime.InferenceSession(place / "onnx" / "text_model.onnx")
    name = "pooler_output" if "Siglip" in kind else "text_embeds"
    (rows,) = session.run([name], {"input_ids": ids})
    wanted = model.embed_texts(TEXTS, on_cut="ignore")
    assert np.einsum("nd,nd->n", rows, wanted).min() > NEAR


@pytest.mark.parametrize("kind", ["CLIPVisionModelWithProjection", "SiglipVisionModel"])
def test_an_image_tower_alone_is_read_by_autoimageprocessor(
    kind: str,
    family_folder: Callable[[str], Path],
    exported: Callable[..., twinlens.Model],
    photos: list[Image.Image],
    tmp_path: Path,
) -> None:
    save_lone_tower(kind, family_folder("siglip" if "Siglip" in kind else "clip"), tmp_path)
    model = exported(tmp_path, precision="fp32", only="image")
    place = tmp_path / "portable"
    assert main([str(tmp_path / "bundle"), "--portable", str(place), "--precision", "fp32"]) == 0
    names = {path.name for path in place.rglob("*") if path.is_file()}
    assert names == {"README.md", "config.json", "preprocessor_config.json", "vision_model.onnx"}
    card = (place / "README.md").read_text()
    assert "pixel_values" in card
    assert "input_ids" not in card
    processor = transformers.AutoImageProcessor.from_pretrained(place)
    pixels = processor(photos, return_tensors="np")["pixel_values"]
    session = onnxruntime.InferenceSession(place / "onnx" / "vision_model.onnx")
    name = "pooler_output" if "Siglip" in kind else "image_embeds"
    (rows,) = session.run([name], {"pixel_values": pixels})
    assert np.einsum("nd,nd->n", rows, model.embed_images(photos)).min() > 0.999  # its own resize


def test_naflex_is_read_by_a_processor_of_squares(
    exported: Callable[..., twinlens.Model], photos: list[Image.Image], tmp_path: Path
) -> None:
    save_dual_encoder("siglip2", tmp_path)
    model = exported(tmp_path)
    place = tmp_path / "portable"
    write_portable(open_bundle(tmp_path / "bundle"), place, ["fp32"])
    processor = transformers.AutoImageProcessor.from_pretrained(place)
    pixels = processor(photos, return_tensors="np")["pixel_values"]
    session = onnxruntime.InferenceSession(place / "onnx" / "vision_model.onnx")
    (rows,) = session.run(None, {"pixel_values": pixels})
    assert np.einsum("nd,nd->n", rows, model.embed_images(photos)).min() > 0.999


@pytest.mark.parametrize("nameless", [True, False])
def test_the_file_of_a_processor_is_that_which_transformers_reads(
    nameless: bool,
    exported: Callable[..., twinlens.Model],
    family_folder: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    """Of two files transformers 5 reads processor_config.json; the kind is config.json's."""
    folder = Path(shutil.copytree(family_folder("clip"), tmp_path / "clip"))
    path = folder / "preprocessor_config.json"
    fields = json.loads(path.read_text())
    fields.pop("image_processor_type")
    if nameless:
        path.write_text(json.dumps(fields))
    else:
        fields["image_mean"] = [0.3, 0.4, 0.5]
        document = {"processor_class": "CLIPProcessor", "image_processor": fields}
        (folder / "processor_config.json").write_text(json.dumps(document))
    theirs = transformers.AutoImageProcessor.from_pretrained(folder)
    exported(folder)
    place = tmp_path / "portable"
    write_portable(open_bundle(tmp_path / "bundle"), place, ["fp32"])
    ours = transformers.AutoImageProcessor.from_pretrained(place)
    assert tuple(ours.image_mean) == tuple(theirs.image_mean)


def test_pictures_of_a_pair_are_normalised_as_by_the_first_of_it(
    family_checkpoint: Callable[[str], Checkpoint],
) -> None:
    clip = family_checkpoint("clip")
    files = {"open_clip_config.json": "of images"}
    texts = {"open_clip_config.json": "of texts", "tokenizer.json": "{}"}
    pair = pair_of(replace(clip, files=files), replace(clip, files=texts))
    assert pair.files == {"open_clip_config.json": "of images", "tokenizer.json": "{}"}
    assert pair_of(replace(clip, files={}), replace(clip, files=texts)).files.keys() == {
        "tokenizer.json"
    }
