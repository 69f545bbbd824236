"""Masks of padding, by tokenizers that pad with another token than their family's own."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tiny_kinds import save_sentence_transformers, sentence_rows

from twinlens.texts.tokenizer import Tokenizer
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.errors import CheckpointError
from twinlens_export.graph.graph import Graph
from twinlens_export.precision import in_precision
from twinlens_export.towers.tower_graphs import text_graph

Open = Callable[[Graph], Callable[[Any], Any]]

TEXTS = ["a dog", "", "two dogs, running on the beach! " * 9, "x"]


@pytest.fixture
def padded_by(tmp_path: Path) -> Callable[[Path, str], Path]:
    """Copy a checkpoint and name another of its special tokens as padding."""

    def change(folder: Path, role: str) -> Path:
        changed = Path(shutil.copytree(folder, tmp_path / "changed"))
        tokenizer = transformers.AutoTokenizer.from_pretrained(changed)
        tokenizer.pad_token = getattr(tokenizer, role)
        tokenizer.save_pretrained(changed)
        return changed

    return change


def rows_of(checkpoint: Checkpoint, folder: Path, opened: Open) -> Any:  # noqa: ANN401
    """Embed the texts in one batch, and each alone: two times [B, D]."""
    (folder / "ours.json").write_text(checkpoint.files["tokenizer.json"])
    tokenizer = Tokenizer(folder / "ours.json", checkpoint.text_spec)
    embed = opened(in_precision(partial(text_graph, checkpoint.text), "fp32"))
    alone = np.concatenate([embed(tokenizer.encode([text])) for text in TEXTS])
    return embed(tokenizer.encode(TEXTS)), alone


@pytest.mark.parametrize("family", ["chinese_clip", "altclip"])
def test_a_text_keeps_its_end_where_the_end_is_the_padding_too(
    family: str,
    family_folder: Callable[[str], Path],
    padded_by: Callable[[Path, str], Path],
    opened: Open,
) -> None:
    folder = padded_by(family_folder(family), "sep_token")
    checkpoint = read_checkpoint(str(folder))
    assert checkpoint.text_spec.pad_id == checkpoint.text_spec.end_id
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    given = tokenizer(TEXTS, padding="max_length", truncation=True, return_tensors="pt")
    given.pop("token_type_ids", None)
    if family == "chinese_clip" and model.text_model.pooler is None:
        model.text_model.pooler = lambda states: states[:, 0]
    with torch.inference_mode():
        output = model.get_text_features(**given)
        wanted = torch.nn.functional.normalize(getattr(output, "pooler_output", output), dim=-1)
    for rows in rows_of(checkpoint, folder, opened):
        assert (rows * wanted.numpy()).sum(axis=1).min() > 0.99999


def test_a_mean_is_that_of_all_tokens_and_the_end(
    padded_by: Callable[[Path, str], Path], opened: Open, tmp_path: Path
) -> None:
    (tmp_path / "first").mkdir()
    save_sentence_transformers(tmp_path / "first", "bert")
    folder = padded_by(tmp_path / "first", "sep_token")
    wanted = sentence_rows(folder, TEXTS, 16).numpy()
    for rows in rows_of(read_checkpoint(str(folder)), folder, opened):
        assert (rows * wanted).sum(axis=1).min() > 0.99999


@pytest.mark.parametrize("role", ["cls_token", "unk_token"])
def test_padding_that_stands_inside_a_text_is_refused(
    role: str, family_folder: Callable[[str], Path], padded_by: Callable[[Path, str], Path]
) -> None:
    folder = padded_by(family_folder("chinese_clip"), role)
    with pytest.raises(CheckpointError, match=r"pads with the token \d, which stands inside"):
        read_checkpoint(str(folder))


@pytest.mark.parametrize("names", [["input_ids"], ["input_ids", "attention_mask"]])
def test_a_mask_that_siglip_was_trained_without_is_told(
    names: list[str],
    family_folder: Callable[[str], Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = Path(shutil.copytree(family_folder("siglip2"), tmp_path / "folder"))
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_input_names": names}))
    with caplog.at_level("WARNING", logger="twinlens_export"):
        read_checkpoint(str(folder))
    assert ("gives an attention mask" in caplog.text) is (len(names) == 2)
