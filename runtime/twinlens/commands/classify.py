"""twinlens classify: the best label of each image, zero-shot."""

import argparse
from collections.abc import Iterator

from twinlens.commands.inputs import find_images, open_model
from twinlens.commands.output import Outcome
from twinlens.images.named_image import NamedImage


def run(options: argparse.Namespace) -> Outcome:
    """Classify the images."""
    model = open_model(options)
    names: list[str] = []

    def collect_names() -> Iterator[NamedImage]:
        for image in find_images(options.inputs, column=options.image_column):
            names.append(image.name)
            yield image

    classes = model.classify(collect_names(), options.labels, templates=options.template)
    rows = [
        {
            "image": name,
            "label": best,
            "probabilities": dict(zip(classes.labels, map(_rounded, shares), strict=True)),
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


def _rounded(share: float) -> float:
    return round(share, 6)
