"""The traced fallback: towers of any kind, against the torch modules they were traced from."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from onnx import helper
from torch import nn

from twinlens.bundle.specs import PRECISIONS, Precision
from twinlens_export.architecture import PixelNormalization, TracedImageTower, TracedTextTower
from twinlens_export.checkpoints.body_reader import read_body
from twinlens_export.checkpoints.tracing import as_module, traced_image_tower, traced_text_tower
from twinlens_export.errors import CheckpointError
from twinlens_export.graph.body import DenseStep
from twinlens_export.graph.graph import Graph, Node
from twinlens_export.precision import in_precision, native_graph
from twinlens_export.towers.tower_graphs import image_graph, text_graph

Array = NDArray[Any]
Embed = Callable[[Array], Array]

SIDE = 32
NORMALIZATION = PixelNormalization(factor=1 / 255, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.25))
CONTEXT, PAD = 12, 0
BATCH_SLACK = 1e-6
"""Largest difference of a row alone and in a batch: onnxruntime's own operators sum in other
orders."""
LEAST: dict[Precision, float] = {"fp32": 0.999999, "fp16": 0.9995, "bf16": 0.9999, "int8": 0.995}


class Planes(nn.Module):
    """Layers of a hybrid: convolutions, a norm over channels, linear maps of planes and of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 5, stride=4, padding=2)
        self.norm = nn.BatchNorm2d(24)
        self.deep = nn.Conv2d(24, 24, 3, padding=1, groups=24)
        self.widen = nn.Linear(24, 64)
        self.shared = nn.Linear(64, 64)
        self.narrow = nn.Linear(64, 24, bias=False)
        self.scale = nn.Parameter(torch.rand(24) + 0.5)
        self.head = nn.Linear(24, 16)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        planes = torch.relu(self.norm(self.stem(pixels)))
        tokens = self.deep(planes).permute(0, 2, 3, 1)
        hidden = self.shared(nn.functional.gelu(self.widen(tokens)))
        hidden = self.shared(torch.sigmoid(hidden) * hidden)
        planes = planes + (self.scale * self.narrow(hidden)).permute(0, 3, 1, 2)
        return self.head(planes.mean((2, 3)))


@pytest.fixture(scope="module")
def planes() -> Planes:
    torch.manual_seed(0)
    model = Planes()
    with torch.no_grad():
        model.norm.running_mean.normal_()
        model.norm.running_var.uniform_(0.5, 2)
    return model.eval()


@pytest.fixture(scope="module")
def image_tower(planes: Planes) -> TracedImageTower:
    return traced_image_tower(planes, side_px=SIDE, normalization=NORMALIZATION)


@pytest.fixture(scope="module")
def pixels() -> Array:
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (9, 1, 1, 3))
    return ((random.integers(0, 256, (9, SIDE, SIDE, 3)) + colours) // 2).astype(np.uint8)


@pytest.fixture(scope="module")
def image_rows(planes: Planes, pixels: Array) -> Array:
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2) * NORMALIZATION.factor
    mean, std = (
        torch.tensor(part).view(3, 1, 1) for part in (NORMALIZATION.mean, NORMALIZATION.std)
    )
    with torch.inference_mode():
        return unit(planes((values - mean) / std))


def unit(features: torch.Tensor) -> Array:
    return nn.functional.normalize(features, dim=-1).numpy()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_traced_image_tower_has_the_rows_of_its_module(
    precision: Precision,
    image_tower: TracedImageTower,
    pixels: Array,
    image_rows: Array,
    opened: Callable[[Graph], Embed],
) -> None:
    embed = opened(in_precision(partial(image_graph, image_tower), precision))
    rows = embed(pixels)
    assert (rows * image_rows).sum(axis=1).min() > LEAST[precision]
    alone = np.concatenate([embed(pixels[place : place + 1]) for place in range(len(pixels))])
    assert np.abs(rows - alone).max() <= BATCH_SLACK


def test_its_second_graph_in_native_operators_has_the_same_rows(
    image_tower: TracedImageTower,
    pixels: Array,
    image_rows: Array,
    opened: Callable[[Graph], Embed],
) -> None:
    graph = native_graph(partial(image_graph, image_tower), "fp32")
    assert graph is not None
    assert sum(node.op == "FloatLinear" for node in graph.nodes) == 5
    assert (opened(graph)(pixels) * image_rows).sum(axis=1).min() > LEAST["fp32"]


def test_linear_maps_are_blocks_by_the_names_of_their_modules(
    image_tower: TracedImageTower, planes: Planes
) -> None:
    body = image_tower.body
    dense = [step for step in body.steps if isinstance(step, DenseStep)]
    assert [step.name for step in dense] == ["widen", "shared", "shared.2", "narrow", "head"]
    assert [step.bias is None for step in dense] == [False, False, False, True, False]
    assert [step.name for step in body.blocks] == ["widen", "shared", "shared.2", "narrow"]
    assert body.float_parts == ("2 convolutions",)
    # A block reads the module's own array: a copy would take the memory of the model again.
    assert np.shares_memory(dense[0].weight, planes.widen.weight.detach().numpy())


def test_int8_leaves_convolutions_and_quantises_linear_maps(
    image_tower: TracedImageTower,
) -> None:
    graph = in_precision(partial(image_graph, image_tower), "int8")
    assert sum(node.op == "Conv" for node in graph.nodes) == 2
    codes = {name for name in graph.weights if name.endswith(".codes")}
    assert codes == {f"{name}.codes" for name in ("widen", "shared", "shared.2", "narrow")}


@pytest.fixture(scope="module")
def bert() -> nn.Module:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=60,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=96,
        max_position_embeddings=CONTEXT,
        hidden_act="relu",
        pad_token_id=PAD,
    )
    model = transformers.BertModel(config, add_pooling_layer=False).eval()

    def pooled(ids: torch.Tensor) -> torch.Tensor:
        mask = (ids != PAD).long()
        tokens = model(input_ids=ids, attention_mask=mask).last_hidden_state
        return (tokens * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)

    return as_module(pooled, model)


@pytest.fixture(scope="module")
def text_tower(bert: nn.Module) -> TracedTextTower:
    return traced_text_tower(bert, context=CONTEXT, vocabulary=60, trim=True)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_traced_text_tower_has_the_rows_of_its_module_at_every_length(
    precision: Precision,
    text_tower: TracedTextTower,
    bert: nn.Module,
    opened: Callable[[Graph], Embed],
) -> None:
    random = np.random.default_rng(1)
    ids = np.full((11, CONTEXT), PAD)
    for row, length in zip(ids, range(2, CONTEXT + 1), strict=True):
        row[:length] = random.integers(1, 60, length)
    with torch.inference_mode():
        wanted = unit(bert(torch.from_numpy(ids)))
    embed = opened(in_precision(partial(text_graph, text_tower), precision))
    rows = embed(ids)
    assert (rows * wanted).sum(axis=1).min() > LEAST[precision]
    trimmed = np.concatenate(
        [embed(ids[place : place + 1, : place + 2]) for place in range(len(ids))]
    )
    assert np.abs(rows - trimmed).max() <= (1e-5 if precision == "int8" else BATCH_SLACK)


def test_a_number_is_half_for_halves_and_float32_for_others(
    opened: Callable[[Graph], Embed], pixels: Array
) -> None:
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3, 4)

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            rows = values.mean((2, 3)) * 3.7  # in float32: no product came before
            return self.head(rows) * 3.7

    torch.manual_seed(0)
    module = Halves().eval()
    tower = traced_image_tower(module, side_px=SIDE, normalization=NORMALIZATION)
    graph = in_precision(partial(image_graph, tower), "fp16")
    assert {array.dtype.name for array in graph.weights.values()} >= {"float16", "float32"}
    exact = opened(in_precision(partial(image_graph, tower), "fp32"))(pixels)
    assert (opened(graph)(pixels) * exact).sum(axis=1).min() > LEAST["fp16"]


def test_an_array_that_a_linear_map_and_a_node_share_is_stored_for_both(
    opened: Callable[[Graph], Embed], pixels: Array
) -> None:
    class Alike(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.map = nn.Linear(3, 3)
            self.shift = nn.Parameter(self.map.bias.detach().clone())  # torch stores the two once

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return self.map(values.mean((2, 3)).relu() - self.shift)

    torch.manual_seed(1)
    module = Alike().eval()
    tower = traced_image_tower(module, side_px=SIDE, normalization=NORMALIZATION)
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2) * NORMALIZATION.factor
    mean, std = (
        torch.tensor(part).view(3, 1, 1) for part in (NORMALIZATION.mean, NORMALIZATION.std)
    )
    with torch.inference_mode():
        wanted = unit(module((values - mean) / std))
    assert (opened(image_graph(tower))(pixels) * wanted).sum(axis=1).min() > LEAST["fp32"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_names_of_a_model_are_kept_apart_from_those_of_the_exporter(
    precision: Precision, opened: Callable[[Graph], Embed], pixels: Array
) -> None:
    class Scaled(nn.Linear):
        def __init__(self) -> None:
            super().__init__(3, 3)
            for name in ("scale", "scales", "codes", "table", "shift", "norm"):
                self.register_parameter(name, nn.Parameter(torch.rand(3) + 0.5))

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            values = super().forward(values * self.scale + self.shift) * self.scales
            return (values - self.codes) * self.table + self.norm

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pixels = Scaled()
            self.pixel_values = nn.Parameter(torch.rand(3))
            self.image_embeds = nn.Linear(3, 3)
            self.features = nn.Parameter(torch.rand(3))

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            tokens = self.pixels(values.flatten(2).transpose(1, 2)) * self.pixel_values
            return (self.image_embeds(tokens) * self.features).mean(1)

    torch.manual_seed(4)
    module = Named().eval()
    tower = traced_image_tower(module, side_px=SIDE, normalization=NORMALIZATION)
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2) * NORMALIZATION.factor
    mean, std = (
        torch.tensor(part).view(3, 1, 1) for part in (NORMALIZATION.mean, NORMALIZATION.std)
    )
    with torch.inference_mode():
        wanted = unit(module((values - mean) / std))
    rows = opened(in_precision(partial(image_graph, tower), precision))(pixels)
    assert (rows * wanted).sum(axis=1).min() > LEAST[precision]


@pytest.mark.parametrize("kernel", [(4, 4), (8, 2), (5, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_that_cuts_patches_is_a_linear_map(
    kernel: tuple[int, int], bias: bool, pixels: Array, opened: Callable[[Graph], Embed]
) -> None:
    torch.manual_seed(2)
    module = nn.Sequential(
        nn.Conv2d(3, 16, kernel, stride=kernel, bias=bias),
        nn.ReLU(),
        nn.Flatten(),
        nn.LazyLinear(9),
    ).eval()
    module(torch.zeros(1, 3, SIDE, SIDE))
    tower = traced_image_tower(module, side_px=SIDE, normalization=NORMALIZATION)
    is_cut = kernel != (5, 5)  # 32 pixels have a rest of two
    assert [step.name for step in tower.body.blocks] == (["0"] if is_cut else [])
    assert tower.body.float_parts == (() if is_cut else ("1 convolution",))
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2) * NORMALIZATION.factor
    mean, std = (
        torch.tensor(part).view(3, 1, 1) for part in (NORMALIZATION.mean, NORMALIZATION.std)
    )
    with torch.inference_mode():
        wanted = unit(module((values - mean) / std))
    for precision in PRECISIONS:
        rows = opened(in_precision(partial(image_graph, tower), precision))(pixels)
        assert (rows * wanted).sum(axis=1).min() > LEAST[precision]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_token_embedding_and_the_maps_of_torchs_attention_are_blocks(
    precision: Precision, opened: Callable[[Graph], Embed]
) -> None:
    class Attentive(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(2**14, 64)
            self.attention = nn.MultiheadAttention(64, 2, batch_first=True)
            self.head = nn.Linear(64, 16)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            tokens = self.table(ids)
            mixed, _ = self.attention(tokens, tokens, tokens, need_weights=False)
            return self.head((tokens + mixed).mean(1))

    torch.manual_seed(3)
    module = Attentive().eval()
    tower = traced_text_tower(module, context=CONTEXT, vocabulary=2**14, trim=False)
    names = ["attention.in_proj_weight", "attention.out_proj"]
    assert [step.name for step in tower.body.blocks] == names
    ids = np.random.default_rng(2).integers(0, 2**14, (5, CONTEXT))
    with torch.inference_mode():
        wanted = unit(module(torch.from_numpy(ids)))
    graph = in_precision(partial(text_graph, tower), precision)
    assert (opened(graph)(ids) * wanted).sum(axis=1).min() > LEAST[precision]
    stored = sum(array.nbytes for array in graph.weights.values())
    bytes_a_number = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1}[precision]
    # The scales of int8, one a row of 64, and the head in float32.
    assert stored < 1.12 * bytes_a_number * module.table.weight.numel()


def test_equal_constants_of_two_layers_are_stored_once() -> None:
    class Turned(nn.Module):
        def forward(self, values: torch.Tensor) -> torch.Tensor:
            for _ in range(3):
                values = torch.relu(values - torch.arange(SIDE * SIDE).reshape(SIDE, SIDE) / 999.0)
            return values.mean((2, 3))

    tower = traced_image_tower(Turned().eval(), side_px=SIDE, normalization=NORMALIZATION)
    large = [stored for stored in tower.body.arrays if stored.array.size == SIDE * SIDE]
    assert len(large) == 1


def test_what_cannot_be_traced_is_refused_by_the_name_of_its_module() -> None:
    class Broken(nn.Module):
        def forward(self, _: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("needs a GPU")

    with pytest.raises(CheckpointError, match=r"image tower, a Broken, .*needs a GPU.*give"):
        traced_image_tower(Broken(), side_px=SIDE, normalization=NORMALIZATION)


def test_a_tower_that_does_not_pool_is_refused() -> None:
    flat = nn.Flatten(2)
    with pytest.raises(CheckpointError, match=r"a Flatten, gives .*\[2, 3, 1024\].*one row each"):
        traced_image_tower(flat, side_px=SIDE, normalization=NORMALIZATION)


@pytest.mark.parametrize(("domain", "op"), [("some.vendor", "Gelu"), ("", "If")])
def test_what_not_every_runtime_has_is_refused_with_the_operator(domain: str, op: str) -> None:
    branch = helper.make_graph([], "branch", [], [helper.make_tensor_value_info("x", 1, None)])
    more = {"then_branch": branch, "else_branch": branch} if op == "If" else {}
    node = helper.make_node(op, ["x"], ["y"], domain=domain, **more)
    graph = helper.make_graph(
        [node],
        "model",
        [helper.make_tensor_value_info("x", 1, ["batch", 4])],
        [helper.make_tensor_value_info("y", 1, ["batch", 4])],
    )
    with pytest.raises(CheckpointError, match=f"an operator '?{domain or op}.* not every runtime"):
        read_body(helper.make_model(graph), {}, given="x", output="y")


def test_no_node_of_a_body_is_unread(image_tower: TracedImageTower) -> None:
    body = image_tower.body
    read = {name for step in body.steps for name in step.inputs} | {body.output}
    assert all(read.intersection(step.outputs) for step in body.steps)
    stored = {array.name for array in body.arrays}
    assert stored <= {name for step in body.steps if isinstance(step, Node) for name in step.inputs}
