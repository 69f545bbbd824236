"""Engines: each holds the rows [N, D] of one file and finds the k best of each query.

Every one is called as its users would call it for unit rows, in the fastest form its public
interface has, without a normalisation that unit rows do not need. Its import stands in its own
function: a process holds one contender and must not load the threads of another.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Ids = NDArray[np.int64]
Settings = Mapping[str, int]
Found = Ids | list[list[dict[str, int | float]]]
"""Ids [Q, k]; sentence-transformers returns lists of mappings."""
Search = Callable[[F32, int, Settings], Found]
"""From queries [Q, D], k and the settings to try, to the hits, best first."""

# Scores at a time in the blocked numpy search: 4 MB, which fit the caches.
NUMPY_SCORES = 2**20
FAISS_SETTINGS = ("distance_compute_blas_threshold", "distance_compute_blas_database_bs")


def twinlens_kernel(rows_file: Path, threads: int) -> Search:
    from twinlens_kernels import encode, topk  # noqa: PLC0415

    rows = np.load(rows_file)
    codes = encode(rows, centre=rows.mean(axis=0), threads=threads)
    return lambda queries, k, _: topk(queries, rows, k, codes=codes, threads=threads)[0]


def twinlens_index(rows_file: Path, threads: int) -> Search:
    from twinlens import Index  # noqa: PLC0415

    index = Index.build(np.load(rows_file, mmap_mode="r"), threads=threads)
    return lambda queries, k, _: index.search(queries, k=k, threads=threads).ids


def faiss_flat(rows_file: Path, threads: int) -> Search:
    import faiss  # noqa: PLC0415

    rows = np.load(rows_file, mmap_mode="r")
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    shipped = {name: getattr(faiss.cvar, name) for name in FAISS_SETTINGS}

    def search(queries: F32, k: int, settings: Settings) -> Ids:
        faiss.omp_set_num_threads(settings.get("threads", threads))
        for name, value in shipped.items():
            setattr(faiss.cvar, name, settings.get(name, value))
        return index.search(queries, k)[1]

    return search


def numpy_blocks(rows_file: Path, threads: int) -> Search:
    """Search by sgemm, argpartition and a sort, in blocks: the whole [Q, N] matrix was slower."""
    del threads  # OPENBLAS_NUM_THREADS, set for the process
    rows = np.load(rows_file)

    def search(queries: F32, k: int, _: Settings) -> Ids:
        step = max(k, 4096, NUMPY_SCORES // len(queries))
        best: list[tuple[F32, Ids]] = []
        for start in range(0, len(rows), step):
            scores = queries @ rows[start : start + step].T
            ids = np.argpartition(scores, -k, axis=1)[:, -k:] if scores.shape[1] > k else None
            ids = np.arange(scores.shape[1])[None].repeat(len(scores), 0) if ids is None else ids
            best.append((np.take_along_axis(scores, ids, 1), ids + start))
        scores = np.concatenate([block for block, _ in best], axis=1)
        ids = np.concatenate([block for _, block in best], axis=1)
        chosen = np.argpartition(scores, -k, axis=1)[:, -k:]
        order = np.argsort(-np.take_along_axis(scores, chosen, 1), axis=1)
        return np.take_along_axis(ids, np.take_along_axis(chosen, order, 1), 1)

    return search


def torch_matmul(rows_file: Path, threads: int) -> Search:
    import torch  # noqa: PLC0415

    torch.set_num_threads(threads)
    rows = torch.from_numpy(np.load(rows_file))

    def search(queries: F32, k: int, _: Settings) -> Ids:
        with torch.inference_mode():
            return (torch.from_numpy(queries) @ rows.T).topk(k).indices.numpy()

    return search


def usearch_exact(rows_file: Path, threads: int) -> Search:
    from usearch.index import MetricKind  # noqa: PLC0415
    from usearch.index import search as exact_search  # noqa: PLC0415

    rows = np.load(rows_file)

    def search(queries: F32, k: int, _: Settings) -> Ids:
        # A single query comes back as [k].
        found = exact_search(rows, queries, k, MetricKind.IP, exact=True, threads=threads)
        return found.keys.astype(np.int64).reshape(len(queries), k)

    return search


def scikit_learn(rows_file: Path, threads: int) -> Search:
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415

    rows = np.load(rows_file)
    neighbours = NearestNeighbors(algorithm="brute", metric="cosine", n_jobs=threads).fit(rows)
    return lambda queries, k, _: neighbours.kneighbors(queries, k, return_distance=False)


def sentence_transformers(rows_file: Path, threads: int) -> Search:
    import torch  # noqa: PLC0415
    from sentence_transformers import util  # noqa: PLC0415

    torch.set_num_threads(threads)
    rows = torch.from_numpy(np.load(rows_file))

    def search(queries: F32, k: int, _: Settings) -> Found:
        # dot_score is its manual's advice for unit rows; cos_sim would normalise the corpus anew.
        return util.semantic_search(
            torch.from_numpy(queries), rows, top_k=k, score_function=util.dot_score
        )

    return search


ENGINES: Mapping[str, Callable[[Path, int], Search]] = {
    "twinlens": twinlens_kernel,
    "twinlens Index": twinlens_index,
    "faiss": faiss_flat,
    "numpy": numpy_blocks,
    "torch": torch_matmul,
    "usearch": usearch_exact,
    "scikit-learn": scikit_learn,
    "sentence-transformers": sentence_transformers,
}


def as_ids(found: Found) -> Ids:
    """Return the hits of any engine as ids [Q, k]."""
    if isinstance(found, list):
        return np.array([[hit["corpus_id"] for hit in hits] for hits in found], dtype=np.int64)
    return np.asarray(found, dtype=np.int64)
