"""twinlens search: the pictures of an index that are nearest to a text or to a picture."""

import argparse

from twinlens.commands.index import names_beside
from twinlens.commands.inputs import open_model
from twinlens.commands.outcome import Outcome
from twinlens.errors import IndexFileError
from twinlens.index import Index


def run(options: argparse.Namespace) -> Outcome:
    """Search by each query."""
    index = Index.open(options.index)
    names = names_beside(options.index).read_text(encoding="utf-8").splitlines()
    if len(names) != len(index):
        raise IndexFileError(
            f"{names_beside(options.index)} names {len(names)} rows, the index has {len(index)}; "
            "make both again with twinlens index"
        )
    model = open_model(options)
    embed = model.embed_images if options.image else model.embed_texts
    hits = index.search(embed(options.queries), options.k)
    lines, document = [], []
    for query, ids, cosines in zip(
        options.queries, hits.ids.tolist(), hits.cosines.tolist(), strict=True
    ):
        found = [
            {"name": names[row], "row": row, "cosine": round(cosine, 6)}
            for row, cosine in zip(ids, cosines, strict=True)
        ]
        lines += [query, *(f"  {hit['cosine']:.4f}  {hit['name']}" for hit in found)]
        document.append({"query": query, "hits": found})
    return Outcome(lines=lines, document=document)
