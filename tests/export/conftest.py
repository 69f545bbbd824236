"""Checkpoints of random weights in the shapes that matter, and real photos to look at."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_sample_images
from tokenizers import pre_tokenizers
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from twinlens.ort.device import CPU
from twinlens.ort.session import Session
from twinlens_export.architecture import ImageTower, Layer, Linear, TextTower
from twinlens_export.checkpoints import checkpoint as checkpoints
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.graph.graph import Graph, save
from twinlens_export.verification.samples import SampleFiles

Array = NDArray[Any]
Tower = TypeVar("Tower", ImageTower, TextTower)
Program = Callable[[Array], Array]

DEMO_CHECKPOINT = Path(__file__).parents[2] / "export" / "demo_checkpoint"
CAPTIONS = (
    "a dog", "a red apple", "two cats asleep on a sofa", "the palace, seen from the lake",
    "flowers", "a dahlia in full bloom, with a bee on it", "snow", "a bus in the rain",
    "an old man reads a newspaper", "blue", "a small house on a very large hill", "three birds",
    "hands", "sunset over the sea", "a plate of noodles", "children playing football in a park",
    "a bicycle", "the moon", "a tower of books that is about to fall", "nothing at all",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What tells one random checkpoint from another."""

    activation: str = "quick_gelu"
    width: int = 192
    image_layers: int = 6
    text_width: int = 192
    text_layers: int = 3
    side_px: int = 64
    patch_px: int = 8
    vocabulary: int = 3072
    context: int = 32
    legacy_end: bool = False
    changes: dict[str, Any] = field(default_factory=dict)

    def config(self) -> CLIPConfig:
        text = {
            "vocab_size": self.vocabulary,
            "max_position_embeddings": self.context,
            "bos_token_id": self.vocabulary - 2,
            "eos_token_id": 2 if self.legacy_end else self.vocabulary - 1,
            "pad_token_id": 1 if self.legacy_end else self.vocabulary - 1,
            "num_hidden_layers": self.text_layers,
            **_transformer(self.text_width, self.activation),
        }
        vision = {
            "image_size": self.side_px,
            "patch_size": self.patch_px,
            "num_hidden_layers": self.image_layers,
            **_transformer(self.width, self.activation),
        }
        return CLIPConfig(projection_dim=self.text_width, text_config=text, vision_config=vision)


def _transformer(width: int, activation: str) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_attention_heads": width // 64,
        "hidden_act": activation,
    }


SHAPES = {
    "demo": Shape(),
    "demo-gelu-legacy": Shape(activation="gelu", legacy_end=True),
    "b32": Shape(
        width=768, image_layers=2, text_width=512, text_layers=2, side_px=224, patch_px=32,
        vocabulary=49408, context=77,
    ),
    "b32-gelu-legacy": Shape(
        activation="gelu", legacy_end=True, width=768, image_layers=1, text_width=512,
        text_layers=2, side_px=224, patch_px=32, vocabulary=49408, context=77,
    ),
}  # fmt: skip


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Shape], Path]:
    """Writes a random checkpoint as transformers would, its tokenizer in the two old files."""

    def make(name: str, shape: Shape) -> Path:
        folder = tmp_path_factory.mktemp("checkpoints") / name
        torch.manual_seed(0)
        model = CLIPModel(shape.config())
        with torch.no_grad():
            for key, tensor in model.named_parameters():
                if key.endswith("bias"):  # else they are zeros, and prove nothing
                    tensor.normal_(std=0.02)
        model.save_pretrained(folder)
        side = shape.side_px
        CLIPImageProcessor(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        ).save_pretrained(folder)
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
        vocabulary = {token: number for number, token in enumerate(tokens)}
        vocabulary["<|startoftext|>"] = shape.vocabulary - 2
        vocabulary["<|endoftext|>"] = shape.vocabulary - 1
        (folder / "vocab.json").write_text(json.dumps(vocabulary))
        (folder / "merges.txt").write_text("#version: 0.2\n")
        (folder / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": shape.context})
        )
        return folder

    return make


@pytest.fixture(scope="session")
def folders(make_checkpoint: Callable[[str, Shape], Path]) -> Callable[[str], Path]:
    """The folder of a random checkpoint of one of SHAPES; made once."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = make_checkpoint(name, SHAPES[name])
        return made[name]

    return folder


@pytest.fixture(scope="session")
def checkpoint_of(folders: Callable[[str], Path]) -> Callable[[str], Checkpoint]:
    """A random checkpoint of one of SHAPES; read once."""
    read: dict[str, Checkpoint] = {}

    def checkpoint(name: str) -> Checkpoint:
        if name not in read:
            read[name] = read_checkpoint(str(folders(name)))
        return read[name]

    return checkpoint


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
    if not (DEMO_CHECKPOINT / checkpoints.CONFIG).exists():
        pytest.skip(f"{DEMO_CHECKPOINT} is not there")
    return DEMO_CHECKPOINT


@pytest.fixture(scope="session")
def photos() -> list[Image.Image]:
    """Parts of two real photos, none of them square."""
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
def opened(tmp_path: Path) -> Callable[[Graph], Program]:
    """Writes a graph and opens it on the CPU."""

    def open_graph(graph: Graph) -> Program:
        path = tmp_path / f"{graph.name}.onnx"
        save(graph, path)
        session = Session(path, device=CPU, threads=2, name=graph.name)
        return lambda batch: session.run({graph.input.name: batch}, graph.output.name)

    return open_graph


@pytest.fixture
def pixels_of() -> Callable[[Checkpoint], Array]:
    """Twenty images [20, S, S, 3] of noise, of one colour, and of everything between."""

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
    """Twenty texts [20, context]: the shortest, full ones, and lengths between; then padding."""

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
    """The same function, with channels fifty times as large as the others, as trained towers have.

    They are where the norms and the values of the attention can be blamed for them.
    """

    def spoilt(layer: Layer) -> Layer:
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
        layers = tuple(spoilt(layer) for layer in tower.encoder.layers)
        return replace(tower, encoder=replace(tower.encoder, layers=layers))

    return spoil


@pytest.fixture(scope="session")
def loud_folder(folders: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of which layer 2 of the image tower has an MLP that no 8 bits can hold.

    One channel between its two maps is always 3000, and read by none.
    """
    folder = Path(shutil.copytree(folders("demo"), tmp_path_factory.mktemp("loud") / "loud"))
    weights = load_file(folder / "model.safetensors")
    mlp = "vision_model.encoder.layers.2.mlp"
    weights[f"{mlp}.fc1.weight"][0] = 0
    weights[f"{mlp}.fc1.bias"][0] = 3000
    weights[f"{mlp}.fc2.weight"][:, 0] = 0
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
