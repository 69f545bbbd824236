"""Random biases and norms, which a library starts at zeros and ones."""

import torch


def with_random_norms(model: torch.nn.Module) -> torch.nn.Module:
    """Move biases, norms, their statistics and layer scales away from zeros, ones and 1e-6."""
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
    return model
