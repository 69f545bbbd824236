"""Make the demo model: fetch, draw, train and release, each a command; run them in this order."""

import argparse
import json
from pathlib import Path

from twinlens_demo import release as acts
from twinlens_demo.captions import corpus
from twinlens_demo.card import write_card
from twinlens_demo.concepts import read_concepts
from twinlens_demo.drawings import build
from twinlens_demo.showcase import write_showcase
from twinlens_demo.sources import fetch
from twinlens_demo.tokenizer import train_tokenizer
from twinlens_demo.train import Training

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "runtime" / "twinlens" / "demo"
CHECKPOINT = ROOT / "export" / "demo_checkpoint"


def main() -> None:
    """Run one act."""
    parser = argparse.ArgumentParser(prog="python -m twinlens_demo", description=__doc__)
    parser.add_argument("act", choices=("fetch", "draw", "train", "release", "test"))
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "demo", help="working folder")
    parser.add_argument("--minutes", type=float, default=120, help="training time in all")
    options = parser.parse_args()
    if options.act == "fetch":
        fetch(options.work)
    elif options.act == "draw":
        draw(options.work)
    elif options.act == "train":
        train(options.work, options.minutes)
    elif options.act == "release":
        release(options.work)
    else:
        test(options.work)


def draw(work: Path) -> None:
    """Rasterise every set of drawings."""
    modules = work / "node_modules"
    build(modules, read_concepts(modules), work / "drawings")


def train(work: Path, minutes: float) -> None:
    """Train, or take up a training that was stopped."""
    modules = work / "node_modules"
    concepts = read_concepts(modules)
    checkpoint = work / "training" / "checkpoint"
    tokenizer = checkpoint / "tokenizer.json"
    # Merges of equal counts are ordered by chance: a training taken up again must keep its own ids.
    if not tokenizer.exists():
        train_tokenizer(corpus(concepts, modules), checkpoint)
    Training(
        concepts=concepts,
        drawings=work / "drawings",
        modules=modules,
        tokenizer=tokenizer,
        out=work / "training",
    ).run(minutes)


def release(work: Path) -> None:
    """Put the trained checkpoint into the repository and its bundle into the package."""
    modules, drawings = work / "node_modules", work / "drawings"
    concepts = read_concepts(modules)
    write_showcase(modules, concepts, DEMO)
    acts.keep_checkpoint(work / "training" / "checkpoint", CHECKPOINT)
    acts.write_bundle(CHECKPOINT, DEMO / "bundle")
    acts.calibrate(DEMO / "bundle", drawings, concepts)
    out = work / "dev_figures.json"
    acts.write_figures(DEMO / "bundle", drawings, concepts, "openmoji", out)


def test(work: Path) -> None:
    """Measure the released bundle on the test set: once, when no choice is left to be made."""
    concepts = read_concepts(work / "node_modules")
    out = CHECKPOINT / "figures.json"
    acts.write_figures(DEMO / "bundle", work / "drawings", concepts, "twemoji", out)
    last = json.loads((work / "training" / "log.jsonl").read_text().splitlines()[-1])
    training = (
        f"{last['step']:,} steps of 256 pictures and captions, {last['minutes']:.0f} minutes."
    )
    write_card(DEMO / "bundle", out, training, DEMO / "MODEL_CARD.md")


if __name__ == "__main__":
    main()
