"""twinlens info: what a bundle holds and how far it may be trusted."""

import argparse
from pathlib import Path

from twinlens import record
from twinlens.bundle import SIDES, open_bundle
from twinlens.commands.outcome import Outcome, Table
from twinlens.loading import folder_of


def run(options: argparse.Namespace) -> Outcome:
    """Read the manifest, check every file's hash, print the table of the towers."""
    bundle = open_bundle(folder_of(Path(options.bundle)))
    manifest = bundle.manifest
    table = Table(("tower", "MB", "worst cosine", "mean cosine", "top-1", "top-10"))
    for precision, towers in manifest.towers.items():
        bundle.check(precision)
        for side in SIDES:
            tower = getattr(towers, side)
            measured = tower.agreement
            table.rows.append(
                (
                    f"{side} {precision}",
                    f"{tower.bytes / 1e6:.1f}",
                    f"{measured.worst_cosine:.7f}",
                    f"{measured.mean_cosine:.7f}",
                    f"{measured.top1:.3f}",
                    f"{measured.top10:.3f}",
                )
            )
    calibrations = [
        f"calibration {precision}: p = sigmoid({c.scale:.2f} cos {c.bias:+.2f}), "
        f"{c.method}, {c.pairs} pairs of {c.fitted_on}, prior {c.prior}"
        for precision, c in manifest.calibrations.items()
    ]
    return Outcome(
        lines=[
            f"{manifest.source.name}, {manifest.family}, embeddings of width {manifest.width}",
            f"pictures {manifest.image.side_px} px, texts up to {manifest.text.context} tokens",
            *table.lines(),
            *(calibrations or ["no calibration: probabilities cannot be told"]),
        ],
        document=record.write(manifest),
    )
