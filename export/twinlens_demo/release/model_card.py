"""The model card, generated from the figures so that the two cannot differ."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from twinlens.bundle.bundle import open_bundle

HEAD: Final = """# The demo model

A small CLIP trained by this project on emoji, so that `twinlens demo` and the tests run on a model
that means something, without a download. transformers' `CLIPModel` with OpenAI's conventions: ViT
image tower (64 x 64 px, patch 8, width 192, 6 layers), causal text tower (width 192, 3 layers, 32
tokens, a byte-level vocabulary of 3,072), embeddings of width 192, 4.7 M parameters. Its
weights are on 33 levels a row, so that the package is small.

It knows emoji: 1,723 concepts in eleven sets of drawings by seven hands, and English words for
them. It knows nothing of photos. It is a demo and a test object, not a model to build on.

## Training

Drawings: Noto (two generations), Fluent (colour, flat, high contrast, 3D without its flags),
FxEmojis, EmojiOne 2.3, Streamline, flag-icons, circle-flags. Words: emojibase, CLDR, emojilib; the
tags of Lucide and Tabler as free phrases, placed by a sentence encoder (all-MiniLM-L6-v2). Licences
and attributions: NOTICE. {training}

Never trained on: **Twemoji** (the test set, measured once, when no choice was left to be made),
OpenMoji (the development set; it chose the schedule and fitted the calibration), and one concept in
ten ({held_out} of {concepts}): no drawing by any hand and no caption of its own.

## Figures on Twemoji

{concepts} drawings, the whole gallery for every query; a concept's text is its first name, as it
stands. Identical drawings (some flags) count for each other. In percent.

"""

ROWS: Final = (
    ("text to image, all", "text → image, all concepts"),
    ("image to text, all", "image → text, all concepts"),
    ("text to image, trained", "text → image, trained concepts"),
    ("text to image, held out", "text → image, held-out concepts"),
    ("text to image, held out among themselves", "held-out concepts among themselves"),
)


def write_card(bundle: Path, figures: Path, training: str, out: Path) -> None:
    """Write the card of a bundle from its figures on the test set."""
    measured = json.loads(figures.read_text(encoding="utf-8"))
    best: Mapping[str, Any] = measured["int8"]
    half = measured["fp16"]["text to image, all"]
    text = HEAD.format(
        training=training, held_out=best["held_out"], concepts=f"{best['concepts']:,}"
    )
    text += "| int8 | R@1 | R@5 | R@10 | median rank |\n|---|---|---|---|---|\n"
    for key, name in ROWS:
        row = best[key]
        text += f"| {name} | {row['at_1']} | {row['at_5']} | {row['at_10']} "
        text += f"| {row['median_rank']:.0f} |\n"
    text += (
        f"\nZero-shot into face / animal / food / vehicle / flag: {best['five classes']} % right, "
        f"held-out concepts {best['five classes, held out']} %.\n"
        f"Calibration error over as many wrong pairs as right ones: {best['calibration error']}; "
        f"of trained concepts {best['calibration error, trained']}, of held-out ones "
        f"{best['calibration error, held out']}: a probability for what the model never saw is "
        "that much further from the truth.\n"
        f"In fp16: text → image R@1 {half['at_1']}, R@10 {half['at_10']}.\n\n"
        "## Free words\n\nTop five of all Twemoji drawings; * marks a held-out concept.\n\n"
    )
    for query, names in best["queries"].items():
        text += f"* {query}: {', '.join(names)}\n"
    text += "\n## Verification against the original\n\n" + _verification(bundle)
    out.write_text(text, encoding="utf-8")


def _verification(bundle: Path) -> str:
    table = (
        "| tower | MB | worst cosine | mean cosine | top-1 | top-10 |\n|---|---|---|---|---|---|\n"
    )
    for precision, towers in open_bundle(bundle).manifest.towers.items():
        for modality in ("image", "text"):
            tower = getattr(towers, modality)
            found = tower.agreement
            size_mb = tower.bytes / 1e6
            table += f"| {modality} {precision} | {size_mb:.1f} | {found.worst_cosine:.7f} "
            table += f"| {found.mean_cosine:.7f} | {found.top1:.3f} | {found.top10:.3f} |\n"
    return table
