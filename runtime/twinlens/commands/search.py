"""twinlens search: the pictures of an index that are nearest to a text or to a picture."""

import argparse
import json
from pathlib import Path

from twinlens.commands.index import names_beside
from twinlens.commands.inputs import open_model
from twinlens.commands.outcome import Outcome
from twinlens.errors import IndexFileError
from twinlens.index import Index


def run(options: argparse.Namespace) -> Outcome:
    """Search by each query."""
    index = Index.open(options.index)
    names = _read_names(names_beside(options.index), len(index))
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


def _read_names(path: Path, rows: int) -> list[str]:
    cure = "make both again with twinlens index"
    try:
        names: list[str] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise IndexFileError(f"{path} cannot be read: {error.strerror}; {cure}") from error
    except ValueError as error:
        raise IndexFileError(f"{path} is not JSON: {error}; {cure}") from error
    if not isinstance(names, list) or len(names) != rows:
        got = f"{len(names)} rows" if isinstance(names, list) else "none"
        raise IndexFileError(f"{path} names {got}, the index has {rows}; {cure}")
    return names
