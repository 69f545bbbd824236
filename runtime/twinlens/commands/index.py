"""twinlens index: pictures to an index that can be searched."""

import argparse

from twinlens.bundle import open_bundle
from twinlens.commands.inputs import embed_pictures, find_pictures, open_model
from twinlens.commands.outcome import Outcome
from twinlens.index import Index
from twinlens.index.folder import require_target
from twinlens.loading import folder_of
from twinlens.model import Model


def about(bundle: str, model: Model) -> dict[str, str]:
    """What an index remembers of the model that made its rows."""
    source = open_bundle(folder_of(bundle)).manifest.source
    return {"model": source.name, "sha256": source.sha256, "precision": model.precision}


def run(options: argparse.Namespace) -> Outcome:
    """Embed the pictures and save their index; their paths are its ids."""
    require_target(options.out)
    model = open_model(options)
    # A picture that is named, and lies in a folder that is named too, is one picture.
    paths = [*dict.fromkeys(find_pictures(options.inputs))]
    rows, names, lost = embed_pictures(model, paths)
    Index.write(options.out, rows, ids=names or None, about=about(options.bundle, model))
    return Outcome(
        lines=[f"{len(rows)} pictures in {options.out}"],
        document={"out": str(options.out), "rows": len(rows), "lost": lost},
        code=1 if lost else 0,
    )
