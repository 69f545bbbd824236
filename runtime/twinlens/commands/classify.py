"""twinlens classify: which of some labels fits each picture best."""

import argparse

from twinlens.commands.inputs import find_pictures, open_model
from twinlens.commands.outcome import Outcome


def run(options: argparse.Namespace) -> Outcome:
    """Classify the pictures, zero-shot."""
    model = open_model(options)
    paths = find_pictures(options.inputs)
    classes = model.classify(paths, options.labels, templates=options.template)
    rows = [
        {
            "image": str(path),
            "label": best,
            "probabilities": dict(zip(classes.labels, map(_short, shares), strict=True)),
        }
        for path, best, shares in zip(
            paths, classes.best, classes.probabilities.tolist(), strict=True
        )
    ]
    return Outcome(
        lines=[
            f"{row['image']}  {row['label']}  {max(shares):.3f}"
            for row, shares in zip(rows, classes.probabilities.tolist(), strict=True)
        ],
        document=rows,
    )


def _short(share: float) -> float:
    return round(share, 6)
