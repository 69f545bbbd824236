"""Random weights of which no part could be left out unseen.

A library starts biases and norms at zeros and ones, layer scales at 1e-6, and maps so narrow that
every picture has one row: an export that dropped them would agree all the same.
"""

import torch

IMAGE_TOWERS = ("visual", "vision_model")
"""Names of the image tower in models of OpenCLIP and of transformers."""


def with_varied_weights(model: torch.nn.Module) -> torch.nn.Module:
    """Vary biases, norms and layer scales; widen the maps of the image tower."""
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith("bias") and tensor.ndim:
                tensor.add_(torch.randn_like(tensor) * 0.02)
            elif "gamma" in name or "layer_scale" in name:
                tensor.uniform_(0.1, 0.5)
            elif "norm" in name.lower() or ".ln_" in name or ".bn" in name:
                tensor.mul_(1 + 0.1 * torch.randn_like(tensor))
        for name, tensor in model.named_buffers():
            if name.endswith("running_mean"):
                tensor.normal_(0, 0.1)
            elif name.endswith("running_var"):
                tensor.uniform_(0.7, 1.3)
        for name in IMAGE_TOWERS:
            if isinstance(tower := getattr(model, name, None), torch.nn.Module):
                widen_maps(tower)
    return model


def widen_maps(tower: torch.nn.Module) -> None:
    """Scale every narrower map until it keeps the variance of its input: 1 / fan-in.

    With a standard deviation of 0.02 each map of a narrow tower halves the signal, until positions
    and biases outweigh it: all pictures of a PE-Core-T had cosines of 0.999999 with each other.
    """
    for module in tower.modules():
        if isinstance(module, torch.nn.MultiheadAttention):
            widen(module.in_proj_weight)
        elif isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            widen(module.weight)


def widen(weight: torch.Tensor) -> None:
    """Scale weights [out, in, ...] up to the variance 1 / fan-in."""
    wanted = weight[0].numel() ** -0.5
    weight.mul_(max(1.0, wanted / weight.std().item()))
