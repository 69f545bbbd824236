"""twinlens search: the pictures of an index that are nearest to a text or to a picture."""

import argparse
from collections.abc import Mapping

from twinlens.commands.index import about
from twinlens.commands.inputs import open_model
from twinlens.commands.outcome import Outcome
from twinlens.errors import IndexFileError
from twinlens.index import Index


def run(options: argparse.Namespace) -> Outcome:
    """Search by each query."""
    index = Index.open(options.index)
    model = open_model(options)
    _require_same_model(options, index.about, about(options.bundle, model))
    embed = model.embed_images if options.image else model.embed_texts
    hits = index.search(embed(options.queries), options.k)
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


def _require_same_model(
    options: argparse.Namespace, made: Mapping[str, str], used: Mapping[str, str]
) -> None:
    """Refuse rows of another model; of one that is unknown, the widths are compared later."""
    if "sha256" in made and made["sha256"] != used["sha256"]:
        raise IndexFileError(
            f"{options.index} was made by {_shown(made)}, but {options.bundle} is {_shown(used)}; "
            "search it with the bundle that made it, or make it again with twinlens index"
        )


def _shown(model: Mapping[str, str]) -> str:
    return f"{model.get('model', 'a model')} ({model['sha256'][:12]}...)"
