"""twinlens classify: the best label of each image, zero-shot."""

import argparse
from collections.abc import Iterator

from twinlens.commands.parsing.values import labels, templates
from twinlens.commands.printing.outcome import Outcome
from twinlens.commands.reading.inputs import find_images, open_model
from twinlens.images.named_image import NamedImage
from twinlens.model.zero_shot import TEMPLATES


def run(options: argparse.Namespace) -> Outcome:
    """Classify the images; an unreadable one has no label, and the exit code is 1."""
    wanted = labels(options.labels)
    forms = templates(options.template) if options.template else TEMPLATES
    model = open_model(options)
    names: list[str] = []

    def collect_names() -> Iterator[NamedImage]:
        for image in find_images(options):
            names.append(image.name)
            yield image

    classes = model.classify(collect_names(), wanted, templates=forms, on_error="nan")
    found = list(zip(names, classes.best, classes.probabilities.tolist(), strict=True))
    return Outcome(
        lines=[
            f"{name}  {best}  {max(shares):.3f}" for name, best, shares in found if best is not None
        ],
        document=[
            {
                "image": name,
                "label": best,
                "probabilities": None if best is None else _rounded(wanted, shares),
            }
            for name, best, shares in found
        ],
        code=1 if None in classes.best else 0,
    )


def _rounded(names: list[str], shares: list[float]) -> dict[str, float]:
    return {name: round(share, 6) for name, share in zip(names, shares, strict=True)}
