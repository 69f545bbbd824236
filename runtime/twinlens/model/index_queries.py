"""Queries of a model to an index: their modality, and the hits of those that were lost."""

from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from twinlens import dataframes
from twinlens.bundle.specs import Modality
from twinlens.errors import quoted
from twinlens.images.named_image import NamedImage
from twinlens.index.hits import Hits

Bools = NDArray[np.bool_]


def require_index(index: object) -> None:
    """Refuse what is no index.

    Raises:
        TypeError: it is something else, such as the path of one.
    """
    if not hasattr(index, "about") or not hasattr(index, "search"):
        raise TypeError(
            f"index is a {type(index).__name__}, not an index; give one of Index.build or "
            "Index.open, and the queries after it"
        )


def read_index_queries(queries: Any, modality: Modality | None) -> tuple[Modality, list[Any]]:  # noqa: ANN401  anything image-like
    """Return the modality of queries, and a list of them.

    Raises:
        TypeError: words and pictures are mixed.
        ValueError: the modality is unknown, or is not told and a string names a file.
    """
    if modality is not None and modality not in get_args(Modality):
        raise ValueError(f"modality is {quoted(repr(modality))}, not 'image' or 'text'")
    several = _listed(queries)
    strings = sum(isinstance(one, str) for one in several)
    if modality is None and 0 < strings < len(several):
        raise TypeError(
            f"{strings} of {len(several)} queries are words and the others pictures; search with "
            "each kind by itself"
        )
    if modality is None and strings:
        for query in several:
            if dataframes.names_file(query):
                raise ValueError(
                    f"the query {quoted(query)} names a file; give a Path, or modality='image', "
                    "for the picture, and modality='text' for the words"
                )
    return modality or ("text" if strings == len(several) else "image"), several


def _listed(queries: Any) -> list[Any]:  # noqa: ANN401  anything image-like
    is_one = isinstance(queries, (*dataframes.ONE, NamedImage)) or hasattr(queries, "read")
    is_array = isinstance(queries, np.ndarray) and queries.dtype == np.uint8 and queries.ndim < 4
    if is_one or is_array:
        return [queries]
    found = dataframes.several(queries, "queries")
    return [*found]


def with_lost_queries(hits: Hits, readable: Bools) -> Hits:
    """Return the hits of all Q queries; `hits` has those of the readable ones of [Q] alone."""
    if readable.all():
        return hits
    shape = len(readable), hits.rows.shape[1]
    ids: NDArray[Any] = np.full(shape, "" if hits.ids.dtype == object else -1, hits.ids.dtype)
    rows = np.full(shape, -1, np.int64)
    cosines = np.full(shape, np.nan, np.float32)
    ids[readable], rows[readable], cosines[readable] = hits.ids, hits.rows, hits.cosines
    errors, proven = hits.errors, hits.proven
    if errors is not None:
        errors = np.full(shape, np.nan, np.float32)
        errors[readable] = hits.errors
    if proven is not None:
        proven = np.zeros(len(readable), np.bool_)
        proven[readable] = hits.proven
    return Hits(ids=ids, cosines=cosines, rows=rows, errors=errors, proven=proven)
