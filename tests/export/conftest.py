"""Random checkpoints, graphs in sessions, and real photos as samples."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from random_clips import SHAPES, save_random_clip
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_sample_images

from twinlens.ort.device import CPU
from twinlens.ort.session import Session
from twinlens_export.architecture import ImageTower, Layer, Linear, TextTower
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.checkpoints.hub_files import CONFIG
from twinlens_export.graph.graph import Graph, save
from twinlens_export.verification.samples import SampleFiles

Array = NDArray[Any]
Tower = TypeVar("Tower", ImageTower, TextTower)
Embed = Callable[[Array], Array]

DEMO_CHECKPOINT = Path(__file__).parents[2] / "export" / "demo_checkpoint"
CAPTIONS = (
    "a dog", "a red apple", "two cats asleep on a sofa", "the palace, seen from the lake",
    "flowers", "a dahlia in full bloom, with a bee on it", "snow", "a bus in the rain",
    "an old man reads a newspaper", "blue", "a small house on a very large hill", "three birds",
    "hands", "sunset over the sea", "a plate of noodles", "children playing football in a park",
    "a bicycle", "the moon", "a tower of books that is about to fall", "nothing at all",
)  # fmt: skip


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a random checkpoint of one of SHAPES; saved once."""

    def save_checkpoint(name: str) -> Path:
        folder = tmp_path_factory.mktemp("checkpoints") / name
        save_random_clip(folder, SHAPES[name])
        return folder

    return cache(save_checkpoint)


@pytest.fixture(scope="session")
def checkpoint_of(folders: Callable[[str], Path]) -> Callable[[str], Checkpoint]:
    """Return a random checkpoint of one of SHAPES; read once."""
    return cache(lambda name: read_checkpoint(str(folders(name))))


@pytest.fixture(scope="session", params=sorted(SHAPES))
def checkpoint(
    request: pytest.FixtureRequest, checkpoint_of: Callable[[str], Checkpoint]
) -> Checkpoint:
    """Every shape in turn."""
    return checkpoint_of(request.param)


@pytest.fixture(scope="session")
def demo_shaped(checkpoint_of: Callable[[str], Checkpoint]) -> Checkpoint:
    """The smallest random checkpoint."""
    return checkpoint_of("demo")


@pytest.fixture(scope="session")
def demo_checkpoint() -> Path:
    """The trained checkpoint in the repository."""
    if not (DEMO_CHECKPOINT / CONFIG).exists():
        pytest.skip(f"{DEMO_CHECKPOINT} is not there")
    return DEMO_CHECKPOINT


@pytest.fixture(scope="session")
def photos() -> list[Image.Image]:
    """Crops of two real photos, none of them square."""
    china, flower = (Image.fromarray(pixels) for pixels in load_sample_images().images)
    boxes = [(40 * n, 20 * n, 40 * n + 250, 20 * n + 180 + 8 * n) for n in range(9)]
    return [photo.crop(box) for box in boxes for photo in (china, flower)]


@pytest.fixture(scope="session")
def sample_files(
    photos: list[Image.Image], tmp_path_factory: pytest.TempPathFactory
) -> SampleFiles:
    """The photos as a folder, the captions as a file."""
    root = tmp_path_factory.mktemp("samples")
    (root / "photos").mkdir()
    for number, photo in enumerate(photos):
        photo.save(root / "photos" / f"{number:02}.png")
    (root / "texts.txt").write_text("\n".join(CAPTIONS))
    return SampleFiles(images=root / "photos", texts=root / "texts.txt")


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[Graph], Embed]:
    """Write a graph and open it on the CPU."""

    def open_graph(graph: Graph) -> Embed:
        path = tmp_path / f"{graph.name}.onnx"
        save(graph, path)
        session = Session(path, device=CPU, threads=2, name=graph.name)
        return lambda batch: session.run({graph.input.name: batch}, graph.output.name)

    return open_graph


@pytest.fixture
def pixels_of() -> Callable[[Checkpoint], Array]:
    """Return twenty images [20, S, S, 3] from one colour to noise, in equal steps."""

    def pixels(checkpoint: Checkpoint) -> Array:
        side = checkpoint.image_spec.side_px
        random = np.random.default_rng(0)
        noise = random.integers(0, 256, (20, side, side, 3))
        flat = random.integers(0, 256, (20, 1, 1, 3))
        share = np.linspace(0, 1, 20)[:, None, None, None]
        return (share * noise + (1 - share) * flat).astype(np.uint8)

    return pixels


@pytest.fixture
def ids_of() -> Callable[[Checkpoint], Array]:
    """Return twenty texts [20, context] from the shortest to the whole context, padded."""

    def ids(checkpoint: Checkpoint) -> Array:
        spec, random = checkpoint.text_spec, np.random.default_rng(1)
        batch = np.full((20, spec.context), spec.pad_id)
        for row, length in zip(batch, np.linspace(2, spec.context, 20).astype(int), strict=True):
            row[0] = spec.end_id - 1
            row[1 : length - 1] = random.integers(0, spec.end_id - 1, length - 2)
            row[length - 1] = spec.end_id
        return batch

    return ids


@pytest.fixture(scope="session")
def with_outliers() -> Callable[[Any], Any]:
    """Return a tower of the same function with channels fifty times larger, as trained towers have.

    They are in the output of the norms and in the values of the attention.
    """

    def spoil_layer(layer: Layer) -> Layer:
        factors = np.ones(len(layer.mlp_norm.scale), np.float32)
        factors[7::60] = 50
        norm = layer.mlp_norm
        return replace(
            layer,
            mlp_norm=replace(norm, scale=norm.scale * factors, bias=norm.bias * factors),
            fc1=replace(layer.fc1, weight=layer.fc1.weight / factors),
            value=Linear(
                weight=layer.value.weight * factors[:, None], bias=layer.value.bias * factors
            ),
            out_proj=replace(layer.out_proj, weight=layer.out_proj.weight / factors),
        )

    def spoil(tower: Tower) -> Tower:
        layers = tuple(spoil_layer(layer) for layer in tower.encoder.layers)
        return replace(tower, encoder=replace(tower.encoder, layers=layers))

    return spoil


@pytest.fixture(scope="session")
def loud_folder(folders: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with an MLP in the image tower (layer 2) far outside the range of 8 bits.

    One channel between fc1 and fc2 is always 3000, and fc2's weights for it are zero.
    """
    folder = Path(shutil.copytree(folders("demo"), tmp_path_factory.mktemp("loud") / "loud"))
    weights = load_file(folder / "model.safetensors")
    mlp = "vision_model.encoder.layers.2.mlp"
    weights[f"{mlp}.fc1.weight"][0] = 0
    weights[f"{mlp}.fc1.bias"][0] = 3000
    weights[f"{mlp}.fc2.weight"][:, 0] = 0
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
