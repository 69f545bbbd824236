"""Make the demo model: fetch, draw, train, coarsen and release, each a command, in this order.

`renew` needs none of them: it writes all of the released bundle but its weights and its curves.
"""

import argparse
import json
import re
from pathlib import Path

from twinlens_demo.concepts import read_concepts
from twinlens_demo.drawings.build import build
from twinlens_demo.drawings.drawing_set import read_drawing_set
from twinlens_demo.packages import fetch
from twinlens_demo.release.coarse_weights import round_weights
from twinlens_demo.release.figures import write_figures
from twinlens_demo.release.model_card import write_card
from twinlens_demo.release.release import (
    calibrate,
    copy_checkpoint,
    write_bundle,
    write_packaged,
)
from twinlens_demo.release.renewal import renew_bundle
from twinlens_demo.release.showcase import write_showcase
from twinlens_demo.training.captions import corpus
from twinlens_demo.training.tokenizer import train_tokenizer
from twinlens_demo.training.training import Training

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "runtime" / "twinlens" / "demo"
CHECKPOINT = ROOT / "export" / "demo_checkpoint"
WHOLE = ROOT / "tests" / "kit" / "models" / "demo_with_fp16"
"""The bundle in both precisions, which the tests read."""


ACTS = ("fetch", "draw", "train", "coarsen", "release", "renew", "test")


def main() -> None:
    """Run one act."""
    parser = argparse.ArgumentParser(prog="python -m twinlens_demo", description=__doc__)
    parser.add_argument("act", choices=ACTS)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "demo", help="working folder")
    parser.add_argument("--minutes", type=float, default=120, help="training time in all")
    options = parser.parse_args()
    if options.act == "fetch":
        fetch(options.work)
    elif options.act == "draw":
        draw(options.work)
    elif options.act == "train":
        train(options.work, options.minutes)
    elif options.act == "coarsen":
        coarsen(options.work)
    elif options.act == "release":
        release(options.work)
    elif options.act == "renew":
        renew_bundle(CHECKPOINT, WHOLE)
        write_packaged(WHOLE, DEMO / "bundle")
    else:
        test(options.work)


def draw(work: Path) -> None:
    """Rasterise every drawing set."""
    modules = work / "node_modules"
    build(modules, read_concepts(modules), work / "drawings")


def train(work: Path, minutes: float) -> None:
    """Train, or resume a stopped training."""
    modules = work / "node_modules"
    concepts = read_concepts(modules)
    checkpoint = work / "training" / "checkpoint"
    tokenizer = checkpoint / "tokenizer.json"
    # Merges of equal counts come in random order: a resumed training must keep its own ids.
    if not tokenizer.exists():
        train_tokenizer(corpus(concepts, modules), checkpoint)
    Training(
        concepts=concepts,
        drawings=work / "drawings",
        modules=modules,
        tokenizer=tokenizer,
        out=work / "training",
    ).run(minutes)


def coarsen(work: Path) -> None:
    """Put the trained checkpoint into the repository, its weights on few levels.

    Without a training in the working folder, the checkpoint in the repository is rounded.
    """
    if (work / "training").exists():
        copy_checkpoint(work / "training" / "checkpoint", CHECKPOINT)
    concepts = read_concepts(work / "node_modules")
    drawn = read_drawing_set(work / "drawings", "openmoji")
    round_weights(CHECKPOINT, drawn, [concepts[row].names[0] for row in drawn.rows])


def release(work: Path) -> None:
    """Put the bundle of the repository's checkpoint into the package."""
    modules, drawings = work / "node_modules", work / "drawings"
    concepts = read_concepts(modules)
    write_showcase(modules, concepts, DEMO)
    write_bundle(CHECKPOINT, WHOLE)
    calibrate(WHOLE, drawings, concepts)
    write_packaged(WHOLE, DEMO / "bundle")
    out = work / "dev_figures.json"
    write_figures(WHOLE, drawings, concepts, "openmoji", out)


def test(work: Path) -> None:
    """Measure the released bundle on the test set: once, when no choice is left to be made."""
    concepts = read_concepts(work / "node_modules")
    out = CHECKPOINT / "figures.json"
    write_figures(WHOLE, work / "drawings", concepts, "twemoji", out)
    card = DEMO / "MODEL_CARD.md"
    write_card(WHOLE, out, _training(work / "training" / "log.jsonl", card), card)


def _training(log: Path, card: Path) -> str:
    """Tell of the training by its log, or as the card of the model does already."""
    if not log.exists():
        (told,) = re.findall(r"[\d,]+ steps of .* minutes\.", card.read_text(encoding="utf-8"))
        return str(told)
    last = json.loads(log.read_text().splitlines()[-1])
    return f"{last['step']:,} steps of 256 pictures and captions, {last['minutes']:.0f} minutes."


if __name__ == "__main__":
    main()
