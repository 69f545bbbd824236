"""Inputs of other tools: any float pixels, ids of any length, padded and truncated by anyone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from twinlens.bundle.specs import TextSpec
from twinlens_export.architecture import PixelNormalization
from twinlens_export.graph.graph import Graph, ValueInfo, to_model
from twinlens_export.portable.interface import float_pixels, whole_ids, with_output

Array = NDArray[Any]
CONTEXT, PAD, END = 8, 0, 99
SIDE = 4
NORMALIZATIONS = {
    "CLIP": PixelNormalization(
        factor=1 / 255,
        mean=(0.48145466, 0.4578275, 0.40821073),
        std=(0.26862954, 0.26130258, 0.27577711),
    ),
    "SigLIP": PixelNormalization(factor=1 / 255, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    "none": PixelNormalization(factor=1 / 255, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    "not even scaled": PixelNormalization(factor=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
}


def passing(shape: tuple[int | str, ...], dtype: type) -> Graph:
    """A graph that gives what it takes."""
    graph = Graph(
        name="tower",
        input=ValueInfo(name="given", dtype=dtype, shape=shape),
        output=ValueInfo(name="y", dtype=dtype, shape=("a", "b")),
    )
    graph.add("Identity", "given", name="y")
    return graph


def run(graph: Graph, value: Array) -> Array:
    (result,) = ReferenceEvaluator(to_model(graph)).run(None, {"given": value})
    return np.asarray(result)


@pytest.mark.parametrize("name", NORMALIZATIONS)
@pytest.mark.parametrize("integer", [False, True])
def test_normalised_pixels_are_the_levels_again(name: str, integer: bool) -> None:
    known = NORMALIZATIONS[name]
    levels = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.uint8)
    levels[0, 0, 0], levels[0, 0, 1] = 0, 255
    floats = levels.astype(np.float32) * np.float32(known.factor)
    floats = (floats - np.float32(known.mean)) / np.float32(known.std)
    graph = passing(("batch", SIDE, SIDE, 3), np.uint8)
    if integer:  # a tower that multiplies bytes
        graph.weight("weight", np.eye(3, dtype=np.int8))
        graph.nodes.clear()
        graph.add("MatMulInteger", "given", "weight", name="y")
    front = float_pixels(graph, known)
    assert front.input.shape == ("batch", 3, SIDE, SIDE)
    assert len(front.nodes) - 1 == (6 if integer else 3)
    got = run(front, np.ascontiguousarray(floats.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(got, levels, atol=0 if integer else 1e-3)


@pytest.mark.parametrize("taken", ["pixels.scale", "pixels.shift", "pixels.levels", "pixels"])
def test_a_tower_keeps_its_tensors_of_the_same_names(taken: str) -> None:
    graph = passing(("batch", SIDE, SIDE, 3), np.uint8)
    graph.weight(taken, np.float32([1, 2, 3]))
    graph.nodes.clear()
    graph.add("Mul", "given", taken, name="y")
    floats = np.random.default_rng(0).random((2, 3, SIDE, SIDE), np.float32)
    got = run(float_pixels(graph, NORMALIZATIONS["none"]), floats)
    np.testing.assert_allclose(got, floats.transpose(0, 2, 3, 1) * 255 * [1, 2, 3], rtol=1e-5)


@given(
    words=st.lists(st.lists(st.integers(1, 90), max_size=2 * CONTEXT), min_size=1, max_size=4),
    trim=st.booleans(),
    ends=st.booleans(),
    padding=st.integers(0, 3),
    at_most=st.sampled_from([CONTEXT, 3 * CONTEXT]),
    by_end=st.booleans(),
)
def test_ids_of_any_tool_are_those_of_the_runtime(
    words: list[list[int]], trim: bool, ends: bool, padding: int, at_most: int, by_end: bool
) -> None:
    spec = TextSpec(context=CONTEXT, pad_id=PAD, trim=trim, end_id=END)
    whole = [[*row, END] for row in words]
    # A tool that keeps the end token when it truncates, and one that cuts the last ids off.
    theirs = [row if len(row) <= CONTEXT else ([*row[:CONTEXT - 1], END] if ends else row)
              for row in whole]  # fmt: skip
    theirs = [row[:at_most] for row in theirs]
    length = min(max(map(len, theirs)) + padding, at_most)
    # Another tool pads with the end token, where padding is no token of its own.
    pad = END if by_end and not trim else PAD
    batch = np.array([[*row, *[pad] * (length - len(row))][:length] for row in theirs])
    got = run(whole_ids(passing(("batch", "tokens"), np.int64), spec), batch)
    wanted = np.full(got.shape, PAD)
    for row, one in zip(wanted, whole, strict=True):
        ours = one if len(one) <= CONTEXT else [*one[: CONTEXT - 1], END]
        row[: len(ours)] = ours
    assert got.shape[1] <= CONTEXT
    assert trim or got.shape[1] == CONTEXT
    np.testing.assert_array_equal(got, wanted)


def test_texts_without_an_end_token_are_only_cut_and_padded() -> None:
    spec = TextSpec(context=CONTEXT, pad_id=7, trim=False)
    graph = whole_ids(passing(("batch", "tokens"), np.int64), spec)
    np.testing.assert_array_equal(run(graph, np.array([[1, 2]])), [[1, 2, *[7] * 6]])
    np.testing.assert_array_equal(run(graph, np.arange(20)[None]), [range(8)])
    short = whole_ids(passing(("batch", "tokens"), np.int64), replace(spec, trim=True))
    np.testing.assert_array_equal(run(short, np.array([[1, 2]])), [[1, 2]])


def test_an_output_has_another_name() -> None:
    graph = with_output(passing(("batch", "tokens"), np.int64), "pooler_output")
    assert [one.name for one in to_model(graph).graph.output] == ["pooler_output"]
    np.testing.assert_array_equal(run(graph, np.array([[3]])), [[3]])
