"""twinlens classify: which of some labels fits each picture best."""

import argparse
from collections.abc import Iterator

from twinlens.commands.inputs import find_pictures, open_model
from twinlens.commands.output import Outcome
from twinlens.images.named_image import NamedImage


def run(options: argparse.Namespace) -> Outcome:
    """Classify the pictures, zero-shot."""
    model = open_model(options)
    names: list[str] = []

    def noted() -> Iterator[NamedImage]:
        for picture in find_pictures(options.inputs, column=options.image_column):
            names.append(picture.name)
            yield picture

    classes = model.classify(noted(), options.labels, templates=options.template)
    rows = [
        {
            "image": name,
            "label": best,
            "probabilities": dict(zip(classes.labels, map(_short, shares), strict=True)),
        }
        for name, best, shares in zip(
            names, classes.best, classes.probabilities.tolist(), strict=True
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
