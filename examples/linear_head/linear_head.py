"""A linear classifier on frozen embeddings: labels of your own, from a few pictures of each.

    pip install 'twinlens[cpu]' scikit-learn
    python linear_head.py                     # the demo's drawings, and their five classes
    python linear_head.py BUNDLE train test   # folders with a folder of pictures for each label

The towers stay as they are. Logistic regression needs seconds, and where there are some twenty
pictures a label it is usually better than labels in words (Radford et al. 2021, section 3.2). With
four a label, as of the demo's drawings, the words are better.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

import twinlens
from twinlens.demo.samples import bundled_drawings


def pictures_of(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the pictures below a folder, and the label of each: the name of its folder."""
    paths = [path for path in sorted(folder.glob("*/*")) if path.is_file()]
    return paths, [path.parent.name for path in paths]


def demo_pictures() -> tuple[list[Path], list[str], list[Path], list[str]]:
    """Return every second drawing to train on, the others to test on."""
    drawings = [drawing for drawing in bundled_drawings() if drawing.kind]
    first, second = drawings[::2], drawings[1::2]
    return (
        [drawing.path for drawing in first],
        [drawing.kind for drawing in first],
        [drawing.path for drawing in second],
        [drawing.kind for drawing in second],
    )


def main(arguments: list[str]) -> int:
    """Train on some pictures, and print the share of others that it labels right."""
    bundle, *folders = arguments or ["demo"]
    if folders:
        train, labels = pictures_of(Path(folders[0]))
        test, truth = pictures_of(Path(folders[1]))
    else:
        train, labels, test, truth = demo_pictures()
    model = twinlens.load(bundle)
    head = LogisticRegression(C=10, max_iter=1000).fit(model.embed_images(train), labels)
    found = head.predict(model.embed_images(test))
    right = float(np.mean(found == np.array(truth)))
    words = model.classify(test, sorted(set(labels)), on_error="raise").best
    by_words = float(np.mean([one == own for one, own in zip(words, truth, strict=True)]))
    sys.stdout.write(
        f"{len(train)} pictures to train on, {len(test)} to test: {right:.1%} right\n"
        f"by the labels' own words, without training: {by_words:.1%} right\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
