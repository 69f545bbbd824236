"""twinlens embed: embeddings of images or texts in an .npz, with their names."""

import argparse
import sys

import numpy as np

from twinlens.commands.inputs import check_out, embed_readable_images, open_model, read_lines
from twinlens.commands.output import Outcome


def run(options: argparse.Namespace) -> Outcome:
    """Embed the inputs; write `embeddings` [B, D] (unit rows) and `names` [B]."""
    check_out(options.out)
    model = open_model(options)
    lost: list[str] = []
    if options.texts:
        names = [text for path in options.inputs for text in read_lines(path)]
        rows = model.embed_texts(names, on_cut=options.on_cut, progress=sys.stderr.isatty())
    else:
        rows, names, lost = embed_readable_images(
            model, options.inputs, column=options.image_column
        )
    with options.out.open("wb") as file:
        np.savez(file, embeddings=rows, names=np.array(names, dtype=str))
    return Outcome(
        lines=[f"{len(rows)} embeddings of width {model.width} in {options.out}"],
        document={"out": str(options.out), "rows": len(rows), "width": model.width, "lost": lost},
        code=1 if lost else 0,
    )
