"""Make the demo model: fetch, draw, train, each a command; run them in this order."""

import argparse
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m twinlens_demo", description=__doc__)
    parser.add_argument("act", choices=("fetch", "draw", "train"))
    parser.add_argument("--work", type=Path, default=Path("build/demo"), help="working folder")
    parser.add_argument("--minutes", type=float, default=120, help="training time in all")
    options = parser.parse_args()
    work: Path = options.work
    modules = work / "node_modules"

    if options.act == "fetch":
        from twinlens_demo.sources import fetch

        fetch(work)
        return
    from twinlens_demo.concepts import read_concepts

    concepts = read_concepts(modules)
    if options.act == "draw":
        from twinlens_demo.drawings import build

        build(modules, concepts, work / "drawings")
        return
    from twinlens_demo.captions import corpus
    from twinlens_demo.tokenizer import train_tokenizer
    from twinlens_demo.train import Training

    checkpoint = work / "training" / "checkpoint"
    train_tokenizer(corpus(concepts, modules), checkpoint)
    Training(
        concepts=concepts,
        drawings=work / "drawings",
        modules=modules,
        tokenizer=checkpoint / "tokenizer.json",
        out=work / "training",
    ).run(options.minutes)


if __name__ == "__main__":
    main()
