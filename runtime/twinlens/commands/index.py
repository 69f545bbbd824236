"""twinlens index: pictures to an index that can be searched."""

import argparse
import json
from pathlib import Path

from twinlens.commands.inputs import check_out, embed_pictures, open_model
from twinlens.commands.outcome import Outcome
from twinlens.index import Index


def names_beside(index: Path) -> Path:
    """The file of the names of an index's rows, a JSON list: a name may hold anything."""
    return index.with_name(f"{index.name}.names.json")


def run(options: argparse.Namespace) -> Outcome:
    """Embed the pictures, save their index and the names of its rows."""
    check_out(options.out)
    model = open_model(options)
    rows, names, lost = embed_pictures(model, options.inputs)
    beside = names_beside(options.out)
    # At no moment does the new index stand beside the old names.
    beside.unlink(missing_ok=True)
    Index.build(rows).save(options.out)
    beside.write_text(json.dumps(names, indent=0) + "\n", encoding="utf-8")
    return Outcome(
        lines=[f"{len(rows)} pictures in {options.out}"],
        document={"out": str(options.out), "rows": len(rows), "lost": lost},
        code=1 if lost else 0,
    )
