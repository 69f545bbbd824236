"""Adapters of PEFT: a plain LoRA is added to its base, anything else refused with the way out."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tiny_kinds import save_adapter

from twinlens_export.checkpoints.checkpoint import read_checkpoint
from twinlens_export.errors import CheckpointError


@pytest.mark.parametrize(
    ("fields", "scale"),
    [({}, 6 / 4), ({"use_rslora": True}, 3.0), ({"alpha_pattern": {"v_proj": 2}}, None)],
)
def test_a_lora_is_added_to_its_base(
    fields: dict[str, object],
    scale: float | None,
    family_folder: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    base = family_folder("clip")
    adapter = save_adapter(tmp_path, base, **fields)
    found, plain = read_checkpoint(str(tmp_path)), load_file(base / "model.safetensors")
    stem = "vision_model.encoder.layers.1.self_attn.v_proj"
    pair = [adapter[f"base_model.model.{stem}.lora_{part}.weight"] for part in "BA"]
    wanted = plain[f"{stem}.weight"] + (2 / 4 if scale is None else scale) * pair[0] @ pair[1]
    np.testing.assert_allclose(found.image.encoder.layers[1].value.weight, wanted, atol=1e-6)
    key = plain["vision_model.encoder.layers.1.self_attn.k_proj.weight"]
    np.testing.assert_array_equal(found.image.encoder.layers[1].key.weight, key)
    whole = adapter["base_model.model.visual_projection.weight"]
    np.testing.assert_array_equal(found.image.projection.weight, whole)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft's own
def test_the_sum_is_that_of_peft(family_folder: Callable[[str], Path], tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")

    base = family_folder("clip")
    save_adapter(tmp_path, base)
    model = transformers.CLIPModel.from_pretrained(base)
    merged = peft.PeftModel.from_pretrained(model, tmp_path).merge_and_unload().state_dict()
    found = read_checkpoint(str(tmp_path))
    for number, layer in enumerate(found.text.encoder.layers):
        name = f"text_model.encoder.layers.{number}.self_attn.q_proj.weight"
        np.testing.assert_allclose(layer.query.weight, merged[name], atol=1e-6)
    np.testing.assert_array_equal(found.image.projection.weight, merged["visual_projection.weight"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"peft_type": "IA3"}, "a IA3, and only a plain LORA .*merge_and_unload"),
        ({"use_dora": True}, "a LORA with use_dora, and .*merge_and_unload"),
        ({"base_model_name_or_path": None}, "names no base model; write the folder or Hub id"),
    ],
)
def test_another_adapter_is_refused_with_the_way_out(
    fields: dict[str, object],
    message: str,
    family_folder: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    save_adapter(tmp_path, family_folder("clip"), **fields)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("vision_model.encoder.layers.7.self_attn.q_proj.lora_A", (4, 160), "one of lora_A and"),
        ("text_model.nowhere", (3, 3), "changes text_model.nowhere.weight, which the model lacks"),
        ("text_projection", (3, 3), r"text_projection.weight has the shape \(3, 3\), the model's"),
    ],
)
def test_an_adapter_of_another_base_is_refused(
    name: str,
    shape: tuple[int, int],
    message: str,
    family_folder: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    weights = save_adapter(tmp_path, family_folder("clip"))
    weights[f"base_model.model.{name}.weight"] = torch.zeros(shape)
    save_file(weights, tmp_path / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match=f"does not fit .*{message}"):
        read_checkpoint(str(tmp_path))


def test_a_base_is_found_from_the_adapters_own_folder(
    family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    base = Path(shutil.copytree(family_folder("clip"), tmp_path / "base"))
    (base / "adapter").mkdir()
    save_adapter(base / "adapter", base, base_model_name_or_path="..")
    (base / "adapter" / "config.json").write_text((base / "config.json").read_text())
    found = read_checkpoint(str(base / "adapter"))
    assert found.sha256 != read_checkpoint(str(base)).sha256
    save_adapter(base / "adapter", base, base_model_name_or_path="/nowhere/clip")
    with pytest.raises(CheckpointError, match=r"was trained on /nowhere/clip, which is not here"):
        read_checkpoint(str(base / "adapter"))


def test_a_checkpoint_without_a_logit_scale_is_read(
    family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    for path in family_folder("siglip").iterdir():
        if path.name != "model.safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(family_folder("siglip") / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("logit_")}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    found = read_checkpoint(str(tmp_path))
    assert (found.native_scale, found.native_bias) == (None, None)
    assert json.loads(found.files["config.json"])["model_type"] == "siglip"
