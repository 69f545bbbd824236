"""Towers saved alone become bundles of one tower, whose rows are those of transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from tiny_kinds import LONE, save_lone_tower

import twinlens
from twinlens.errors import MissingTowerError
from twinlens.images.load import load_batch
from twinlens_export.checkpoints.checkpoint import read_checkpoint
from twinlens_export.errors import CheckpointError, ExportError
from twinlens_export.graph.graph import Graph
from twinlens_export.towers.tower_graphs import image_graph, text_graph

TEXTS = ["a dog", "x", "two dogs, running on the beach! " * 9, "一只狗 <b>"]


@pytest.mark.parametrize("kind", sorted(LONE))
def test_a_tower_alone_has_the_rows_of_its_own_class(
    kind: str,
    family_folder: Callable[[str], Path],
    opened: Callable[[Graph], Callable[[Any], Any]],
    photos: list[Image.Image],
    tmp_path: Path,
) -> None:
    tower = save_lone_tower(kind, family_folder(LONE[kind]), tmp_path)
    checkpoint = read_checkpoint(str(tmp_path))
    with torch.inference_mode():
        if "Vision" in kind:
            processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
            output = tower(**processor(photos, return_tensors="pt"))
            wanted = getattr(output, "image_embeds", None)
            pixels = load_batch(photos, checkpoint.image_spec)
            rows = opened(image_graph(checkpoint.image))(pixels)
        else:
            tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
            ids = tokenizer(TEXTS, padding="max_length", truncation=True, return_tensors="pt")
            output = tower(input_ids=ids["input_ids"])
            wanted = getattr(output, "text_embeds", None)
            rows = opened(text_graph(checkpoint.text))(ids["input_ids"].numpy())
    unit = torch.nn.functional.normalize(
        output.pooler_output if wanted is None else wanted, dim=-1
    ).numpy()
    assert (rows * unit).sum(axis=1).min() > (0.999 if "Vision" in kind else 0.99999)
    assert (checkpoint.text is None, checkpoint.image is None) == ("Vision" in kind, "Text" in kind)


def test_the_half_that_is_missing_is_said_in_one_line(
    family_folder: Callable[[str], Path],
    exported: Callable[..., twinlens.Model],
    photos: list[Image.Image],
    tmp_path: Path,
) -> None:
    save_lone_tower("CLIPVisionModelWithProjection", family_folder("clip"), tmp_path)
    model = exported(tmp_path, precision="int8", only="image")
    rows = model.embed_images(photos[:4])
    acts: list[Callable[[], object]] = [
        lambda: model.embed_texts(["a"]),
        lambda: model.embed_texts([]),
        lambda: model.stream_texts(["a"]),
        lambda: model.tokenize(["a"]),
        lambda: model.tokenizer_key,
        lambda: model.classify(photos[:1], ["a"]),
        lambda: model.match(photos[:1], ["a"]),
        lambda: model.probabilities(rows, rows),
        lambda: model.calibration,
        lambda: twinlens.evaluate(model, twinlens.Pairs(images=photos[:1], texts=["a"])),
    ]
    for act in acts:
        with pytest.raises(
            MissingTowerError, match=r"no text tower: .* an image tower alone, .*"
        ) as e:
            act()
        assert "--text-from" in str(e.value)
    assert model.level == "none"
    assert "passes" in model.about
    model.warm_up()
    hits = twinlens.Index.build(rows).search(model.embed_images(photos[2:3]), k=1)
    assert hits.ids.tolist() == [[2]]
    np.testing.assert_array_equal(model.embed_images(photos[1:2])[0], rows[1])


def test_samples_that_no_tower_takes_are_refused(
    family_folder: Callable[[str], Path], exported: Callable[..., twinlens.Model], tmp_path: Path
) -> None:
    save_lone_tower("CLIPVisionModel", family_folder("clip"), tmp_path)
    with pytest.raises(ExportError, match=r"has no tower for texts, .*; leave --texts out"):
        exported(tmp_path)
    assert not (tmp_path / "bundle").exists()


def test_a_siglip_without_its_head_is_refused(
    family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    save_lone_tower("SiglipVisionModel", family_folder("siglip"), tmp_path)
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    config.vision_use_head = False
    transformers.SiglipVisionModel(config).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"has no pooling head .*give the whole SigLIP"):
        read_checkpoint(str(tmp_path))
