"""Public API of twinlens_kernels."""

from importlib.util import find_spec

import numpy as np

import twinlens_kernels


def test_native_says_whether_the_compiled_module_is_there() -> None:
    assert twinlens_kernels.NATIVE is (find_spec("twinlens_kernels._native") is not None)


def test_topk_gives_the_best_rows_of_each_query() -> None:
    corpus = np.array([[1, 0], [0, 1], [2, 2]], dtype=np.float32)
    ids, scores = twinlens_kernels.topk(corpus[:2], corpus, 2, threads=2)
    assert ids.tolist() == [[2, 0], [2, 1]]
    assert scores.tolist() == [[2, 1], [2, 1]]
