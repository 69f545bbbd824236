"""twinlens index: pictures to an index that can be searched."""

import argparse
from pathlib import Path

from twinlens.commands.inputs import embed_pictures, open_model
from twinlens.commands.outcome import Outcome
from twinlens.index import Index


def names_beside(index: Path) -> Path:
    """The file of the names of an index's rows, one a line."""
    return index.with_name(f"{index.name}.names")


def run(options: argparse.Namespace) -> Outcome:
    """Embed the pictures, save their index and the names of its rows."""
    model = open_model(options)
    rows, names, lost = embed_pictures(model, options.inputs)
    names_beside(options.out).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    Index.build(rows).save(options.out)
    return Outcome(
        lines=[f"{len(rows)} pictures in {options.out}"],
        document={"out": str(options.out), "rows": len(rows), "lost": lost},
        code=1 if lost else 0,
    )
