"""Makes torchvision importable, also where only its CUDA build is to be had beside a CPU torch.

Its compiled operators cannot be loaded then. Two of them are named while it is imported, and used
by no image transform: they are declared here. Resizing is torch's own in either build.
"""

import importlib

import torch

DECLARED = torch.library.Library("torchvision", "FRAGMENT")

try:
    importlib.import_module("torchvision")
except RuntimeError:
    for name in ("nms", "qnms"):
        DECLARED.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    importlib.import_module("torchvision")
