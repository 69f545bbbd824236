"""Towers as torch.onnx.export writes them, and as quantize_dynamic ships."""

from pathlib import Path

import torch
from onnxruntime.quantization import quantize_dynamic
from transformers import CLIPModel

from bench.towers.inputs.workspace import Modality, Workspace

OPSET = 17


class Tower(torch.nn.Module):
    """Tower from floats [B, 3, S, S] or ids [B, T] to unit rows [B, D]."""

    def __init__(self, model: CLIPModel, modality: Modality) -> None:
        super().__init__()
        self.model, self.modality = model, modality

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        features = (
            self.model.get_image_features
            if self.modality == "image"
            else self.model.get_text_features
        )
        found = features(given)
        rows = getattr(found, "pooler_output", found)
        return rows / rows.norm(dim=-1, keepdim=True)


def write_traced(workspace: Workspace, kind: str, modality: Modality, path: Path) -> None:
    """Write a tower by the tracing exporter ("plain", opset 17) or by the newer one ("dynamo")."""
    model = CLIPModel.from_pretrained(workspace.checkpoint, attn_implementation="sdpa").eval()
    config = model.config
    side_px, context = config.vision_config.image_size, config.text_config.max_position_embeddings
    image = modality == "image"
    given = torch.zeros(2, 3, side_px, side_px) if image else torch.full((2, context), 9)
    names = {"input_names": ["given"], "output_names": ["rows"]}
    if kind == "plain":
        axes = {0: "batch"} if image else {0: "batch", 1: "tokens"}
        how = {"dynamo": False, "opset_version": OPSET, "dynamic_axes": {"given": axes}}
    else:
        batch, tokens = torch.export.Dim("batch"), torch.export.Dim("tokens", max=context)
        shape = {0: batch} if image else {0: batch, 1: tokens}
        how = {"dynamo": True, "dynamic_shapes": {"given": shape}, "external_data": False}
    with torch.inference_mode():
        torch.onnx.export(Tower(model, modality), (given,), path, **names, **how)


def write_dynamic(workspace: Workspace, _: str, modality: Modality, path: Path) -> None:
    """Write the answer of one line of onnxruntime's own tool to the plain export."""
    quantize_dynamic(workspace.graph("plain", modality), path)
