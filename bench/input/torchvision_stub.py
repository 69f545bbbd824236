"""Import of torchvision, also where only its CUDA build is to be had beside a CPU torch."""

import importlib

import torch

DECLARED = torch.library.Library("torchvision", "FRAGMENT")


def import_torchvision() -> None:
    """Import torchvision, before anything that imports it without this help.

    The compiled operators of a CUDA build cannot be loaded beside a CPU torch. Two of them are
    named while it is imported, and used by no image transform: they are declared here. Resizing is
    torch's own in either build.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in ("nms", "qnms"):
            DECLARED.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        importlib.import_module("torchvision")
