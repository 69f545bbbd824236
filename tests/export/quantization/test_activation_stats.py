"""Activation statistics."""

from pathlib import Path

import numpy as np

from twinlens.bundle.specs import TextSpec
from twinlens_export.graph.graph import Graph, ValueInfo
from twinlens_export.quantization.activation_stats import (
    activation_stats,
    embed,
    open_graph,
    text_batches,
)


def product_graph() -> Graph:
    """Build a graph of tokens [B, T, 2] times a weight, summed over the tokens."""
    graph = Graph(
        name="product",
        input=ValueInfo(name="tokens", dtype=np.float32, shape=("batch", "tokens", 2)),
        output=ValueInfo(name="rows", dtype=np.float32, shape=("batch", 3)),
    )
    wide = graph.add("MatMul", "tokens", graph.weight("w", np.ones((2, 3), np.float32)), name="it")
    graph.add("ReduceSum", wide, graph.constant([1], np.int64), name="rows", keepdims=0)
    return graph


def test_sizes_are_root_mean_squares_over_all_tokens(tmp_path: Path) -> None:
    tokens = np.array([[[3, 0], [-4, 0]], [[0, 1], [5, -1]]], np.float32)
    stats = activation_stats(product_graph(), [tokens[:1], tokens[1:]], tmp_path)
    assert set(stats.rms) == {"it"}
    np.testing.assert_allclose(stats.rms["it"], np.sqrt([50 / 4, 2 / 4]), rtol=1e-6)
    np.testing.assert_array_equal(stats.rows, [[-1, -1, -1], [5, 5, 5]])


def test_no_file_is_left(tmp_path: Path) -> None:
    with open_graph(product_graph(), tmp_path) as tower:
        assert tower(np.ones((1, 1, 2), np.float32)).tolist() == [[2, 2, 2]]
    assert embed(product_graph(), [np.ones((2, 1, 2), np.float32)], tmp_path).shape == (2, 3)
    assert not list(tmp_path.iterdir())


def test_texts_are_padded_only_where_padding_is_seen() -> None:
    trimmed = TextSpec(context=4, end_id=9, pad_id=7, trim=True)
    batches = text_batches([(5, 9), (5, 6, 9)], trimmed)
    assert [batch.tolist() for batch in batches] == [[[5, 9]], [[5, 6, 9]]]
    whole = TextSpec(context=4, end_id=9, pad_id=7, trim=False)
    assert text_batches([(5, 9)], whole)[0].tolist() == [[5, 9, 7, 7]]
