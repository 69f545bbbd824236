"""twinlens search: the rows of an index nearest to texts or images."""

import argparse

from twinlens.bundle.specs import Modality
from twinlens.commands.inputs import open_model, refuse_unused
from twinlens.commands.printing.outcome import Outcome
from twinlens.index.index import Index
from twinlens.provenance import check_about


def run(options: argparse.Namespace) -> Outcome:
    """Search the index by every query, on the device and the threads that are asked for."""
    if not options.image:
        refuse_unused(options, ("pixels",), "is for pictures, and the queries are texts")
    index = Index.open(options.index)
    model = open_model(options)
    modality: Modality = "image" if options.image else "text"
    check_about(index.about, model.about, modality=modality, mixed={"precision"})
    embed = model.embed_images if options.image else model.embed_texts
    if options.device.startswith("cuda"):
        # To carry an index there takes longer than one search of it on the CPU: "auto" does not.
        index.to(model.device)
    hits = index.search(embed(options.queries), options.k, threads=options.threads)
    lines, document = [], []
    for query, names, rows, cosines in zip(
        options.queries, hits.ids.tolist(), hits.rows.tolist(), hits.cosines.tolist(), strict=True
    ):
        found = [
            {"name": name, "row": row, "cosine": round(cosine, 6)}
            for name, row, cosine in zip(names, rows, cosines, strict=True)
        ]
        lines += [query, *(f"  {hit['cosine']:.4f}  {hit['name']}" for hit in found)]
        document.append({"query": query, "hits": found})
    return Outcome(lines=lines, document=document)
