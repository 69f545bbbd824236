"""Dual encoders of transformers that are no CLIP by their towers, and SigLIP 2 NaFlex."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image
from tiny_kinds import save_dual_encoder

import twinlens
from twinlens.bundle.bundle import open_bundle
from twinlens_export.checkpoints.checkpoint import read_checkpoint
from twinlens_export.checkpoints.kinds.traced_model import TRACED_KINDS
from twinlens_export.errors import CheckpointError

TEXTS = ["a dog", "", "two dogs, running on the beach! " * 9, "x"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        # Its tokenizer pads with the token that ends a text.
        pytest.param(
            "clips of two models",
            "VisionTextDualEncoderModel",
            marks=pytest.mark.skipif(
                transformers.__version__.startswith("4."),
                reason="transformers 4 gives a CLIP inside a VisionTextDualEncoder token types",
            ),
        ),
        *((kind, found.model) for kind, found in TRACED_KINDS.items()),
    ],
)
def test_pictures_and_texts_match_as_in_a_call_of_the_whole_model(
    kind: str,
    name: str,
    exported: Callable[..., twinlens.Model],
    photos: list[Image.Image],
    tmp_path: Path,
) -> None:
    save_dual_encoder(kind, tmp_path)
    model = exported(tmp_path)
    squares = [photo.resize((32, 32)) for photo in photos]
    theirs = called_whole(tmp_path, name, squares, TEXTS)
    scale = open_bundle(tmp_path / "bundle").manifest.native_scale or 1
    assert theirs.std() > 0.01 * scale
    ours = model.embed_images(squares) @ model.embed_texts(TEXTS).T
    np.testing.assert_allclose(scale * ours, theirs, atol=2e-5 * scale)
    assert model.classify(photos[:1], ["a", "b"]).best[0] in ("a", "b")


def called_whole(
    folder: Path, name: str, images: list[Image.Image], texts: list[str]
) -> NDArray[np.floating]:
    """Return the scaled cosines [images, texts] of one call with all that its processors give."""
    model = getattr(transformers, name).from_pretrained(folder, attn_implementation="eager").eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    given = {**processor(images, return_tensors="pt")}
    given |= tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    given.pop("token_type_ids", None)
    with torch.inference_mode():
        if name == "BlipForImageTextRetrieval":
            found = model(**given, use_itm_head=False).itm_score
        else:
            found = model(**given).logits_per_image
    scores: NDArray[np.floating] = found.numpy()
    return scores


def test_naflex_is_a_siglip_at_a_square_grid(
    exported: Callable[..., twinlens.Model], photos: list[Image.Image], tmp_path: Path
) -> None:
    save_dual_encoder("siglip2", tmp_path)
    model = exported(tmp_path)
    squares = [photo.crop((0, 0, 128, 128)) for photo in photos]
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    theirs = transformers.AutoModel.from_pretrained(tmp_path).eval()
    with torch.inference_mode():
        output = theirs.get_image_features(**processor(squares, return_tensors="pt"))
    rows = torch.nn.functional.normalize(getattr(output, "pooler_output", output), dim=-1).numpy()
    assert (model.embed_images(squares) * rows).sum(axis=1).min() > 0.999
    assert model.level == "native"
    assert model.preprocess(photos[0]).shape == (32, 32, 3)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    # google's own checkpoints give no mask: padding is seen, as in their training.
    tokenizer.model_input_names = ["input_ids"]
    texts = [text.lower() for text in TEXTS]
    given = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
    with torch.inference_mode():
        output = theirs.get_text_features(**given)
    rows = torch.nn.functional.normalize(getattr(output, "pooler_output", output), dim=-1).numpy()
    assert (model.embed_texts(TEXTS) * rows).sum(axis=1).min() > 0.99999


def test_patches_are_pixels_in_another_order(tmp_path: Path) -> None:
    save_dual_encoder("siglip2", tmp_path)
    grid = read_checkpoint(str(tmp_path)).preparation.grid
    pixels = torch.rand(2, 3, 32, 32)
    patches = grid.patches(pixels).numpy()
    np.testing.assert_array_equal(grid.pixels(patches[1]), pixels[1].numpy())
    # The first patch, its first row of pixels: red, green, blue of each pixel.
    first = pixels[0, :, 0, :8].permute(1, 0).reshape(-1).numpy()
    np.testing.assert_array_equal(patches[0, 0, :24], first)


@pytest.mark.parametrize(
    ("kind", "nearest"),
    [
        ("clipseg", "openai/clip-vit-base-patch16"),
        ("align", "SigLIP"),
        ("jina_clip", "clip-ViT-B-32-multilingual-v1"),
        ("owlvit", "detect"),
        ("blip-2", "many vectors"),
        ("dinov3_vit", "no texts"),
        ("xlm-roberta", "modules.json"),
    ],
)
def test_a_family_that_cannot_be_taken_is_refused_with_the_nearest_way(
    kind: str, nearest: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(f'{{"model_type": "{kind}"}}')
    with pytest.raises(CheckpointError, match=nearest):
        read_checkpoint(str(tmp_path))


@pytest.mark.parametrize(
    ("saved_by", "reason"),
    [
        ("ColPaliForRetrieval", "as many vectors"),
        ("LlavaForConditionalGeneration", "writes text"),
        ("GroundingDinoForObjectDetection", "detects objects"),
        ("DetrForSegmentation", "segments pictures"),
        ("Dinov2ForImageClassification", "give the model that it was made of"),
        ("Siglip2VisionModel", "the image tower of a larger model: give the whole model"),
        ("Aimv2TextModel", "the text tower of a larger model: give the whole model"),
    ],
)
def test_a_model_of_another_use_is_refused_by_the_class_that_saved_it(
    saved_by: str, reason: str, tmp_path: Path
) -> None:
    document = {"model_type": "of_tomorrow", "architectures": [saved_by]}
    (tmp_path / "config.json").write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match=reason):
        read_checkpoint(str(tmp_path))


@pytest.mark.parametrize("named", [None, 3, "ForCausalLM", [None], []])
def test_a_class_that_is_named_in_no_known_way_gives_no_reason(
    named: object, tmp_path: Path
) -> None:
    document = {"model_type": "of_tomorrow", "architectures": named}
    (tmp_path / "config.json").write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match=r"or an OpenCLIP checkpoint$"):
        read_checkpoint(str(tmp_path))
