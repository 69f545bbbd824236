"""twinlens search: the rows of an index nearest to texts or images."""

import argparse
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from twinlens.bundle.specs import Modality
from twinlens.commands.printing.outcome import Outcome
from twinlens.commands.reading.inputs import open_model, refuse_unused
from twinlens.index.hits import Hits
from twinlens.index.index import Index
from twinlens.provenance import check_about

Hit = dict[str, Any]


def run(options: argparse.Namespace) -> Outcome:
    """Search the index by every query, on the device and the threads that are asked for.

    An image that cannot be read has no hits, and the exit code is 1.
    """
    if not options.image:
        refuse_unused(options, ("pixels",), "is for pictures, and the queries are texts")
    index = Index.open(options.index)
    model = open_model(options)
    modality: Modality = "image" if options.image else "text"
    check_about(index.about, model.about, modality=modality, mixed={"precision"})
    if options.device.startswith("cuda"):
        # To carry an index there takes longer than one search of it on the CPU: "auto" does not.
        index.to(model.device)
    rows = (
        model.embed_images(options.queries, on_error="nan")
        if options.image
        else model.embed_texts(options.queries)
    )
    readable = ~np.isnan(rows[:, 0])
    hits = index.search(rows[readable], options.k, threads=options.threads)
    found = iter(_told(hits))
    document = [
        {"query": query, **(next(found) if known else {"hits": None})}
        for query, known in zip(options.queries, readable.tolist(), strict=True)
    ]
    answered = [answer for answer in document if answer["hits"] is not None]
    return Outcome(
        lines=[line for answer in answered for line in _lines(answer["query"], answer["hits"])],
        document=document,
        code=0 if len(answered) == len(document) else 1,
    )


def _told(hits: Hits) -> list[dict[str, Any]]:
    """Return the hits of each query, best first; of codes alone with their errors and a flag."""
    told: list[dict[str, Any]] = [
        {
            "hits": [
                {"name": name, "row": row, "cosine": round(cosine, 6)}
                for name, row, cosine in zip(names, rows, cosines, strict=True)
            ]
        }
        for names, rows, cosines in zip(
            hits.ids.tolist(), hits.rows.tolist(), hits.cosines.tolist(), strict=True
        )
    ]
    if hits.errors is not None:
        for answer, errors, exact in zip(
            told, hits.errors.tolist(), hits.exact.tolist(), strict=True
        ):
            answer["exact"] = exact
            for hit, error in zip(answer["hits"], errors, strict=True):
                hit["error"] = math.ceil(1e6 * error + 0.5) / 1e6  # the cosine is rounded, too
    return told


def _lines(query: str, hits: Sequence[Hit]) -> list[str]:
    return [query, *(f"  {_cosine(hit)}  {hit['name']}" for hit in hits)]


def _cosine(hit: Hit) -> str:
    if "error" in hit:
        return f"{hit['cosine']:.6f} +-{hit['error']:.6f}"
    return f"{hit['cosine']:.4f}"
