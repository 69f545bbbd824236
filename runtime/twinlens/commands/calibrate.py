"""twinlens calibrate: fit the calibration of a bundle."""

import argparse
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from twinlens import dataclass_json
from twinlens.bundle.bundle import MANIFEST
from twinlens.bundle.calibration import Calibration
from twinlens.bundle.specs import Precision
from twinlens.calibration.calibrate import calibrate_bundle
from twinlens.calibration.calibration_options import CalibrationOptions
from twinlens.commands.parsing.misuse import MisuseError
from twinlens.commands.printing.outcome import Outcome
from twinlens.commands.printing.table import Table
from twinlens.commands.reading.inputs import refuse_unused
from twinlens.commands.reading.pairs import read_column_pairs, read_same_pairs
from twinlens.commands.writing.targets import require_folder
from twinlens.durable.whole import whole_folder
from twinlens.loading import folder_of


def run(options: argparse.Namespace) -> Outcome:
    """Fit every precision of the bundle on the pairs, and write the manifest.

    Unreadable images and rows that are no pair are left out, and the exit code is 1.
    """
    _check_out(options)
    pairs, lost_rows = read_same_pairs(
        options, options.pairs, label=options.label_column
    ) or read_column_pairs(options, options.pairs, label=options.label_column)
    if pairs.labels is not None:
        refuse_unused(options, ("negatives",), f"are drawn, but {options.pairs} has labels")
    chosen = {
        name: getattr(options, name)
        for name in ("prior", "method", "negatives")
        if getattr(options, name) is not None
    }
    fitting = CalibrationOptions(**chosen, fitted_on=options.pairs.name)
    with nullcontext() if options.out is None else whole_folder(options.out) as out:
        found = calibrate_bundle(
            options.bundle,
            pairs,
            options=fitting,
            pixels=options.pixels or "exact",
            out=out,
            progress=options.progress.bar,
        )
    fitted = found.calibrations
    first = next(iter(fitted.values()))
    return Outcome(
        lines=[
            _counts(first),
            *calibration_lines(fitted),
            f"written to {options.out or options.bundle}",
        ],
        document={
            precision: dataclass_json.write(calibration)
            for precision, calibration in fitted.items()
        },
        code=1 if found.lost or lost_rows else 0,
    )


def calibration_lines(calibrations: Mapping[Precision, Calibration]) -> list[str]:
    """Return the lines of a table of calibrations by precision; none of none."""
    if not calibrations:
        return []
    table = Table(
        head=("precision", "level", "curve", "prior", "held-out ECE", "Brier", "log-loss", "AUC"),
        labels=3,
    )
    table.rows.extend(_row(precision, one) for precision, one in calibrations.items())
    return table.lines()


def _counts(fitted: Calibration) -> str:
    kind = "" if fitted.pairs == "image-text" else f"{fitted.pairs} "
    return f"{fitted.matching} matching {kind}pairs and {fitted.others} others, {fitted.negatives}"


def _check_out(options: argparse.Namespace) -> None:
    """Refuse a place for the calibrated copy that holds something other than a bundle."""
    out: Path | None = options.out
    if out is None:
        return
    source, place = folder_of(options.bundle).resolve(), out.resolve()
    if place.is_relative_to(source):
        raise MisuseError(f"--out {out} lies in the bundle itself; name a folder beside it")
    require_folder(out, (MANIFEST,), force=options.force)
    if out.exists() and any(out.iterdir()) and not (out / MANIFEST).exists():
        raise FileExistsError(f"{out} holds something other than a bundle; name a new folder")


def _row(precision: str, calibration: Calibration) -> tuple[str, ...]:
    figures = calibration.held_out
    shown = (figures.ece, figures.brier, figures.log_loss, figures.auc) if figures else ()
    cells = [f"{figure:.4f}" for figure in shown] or ["-"] * 4
    return (
        precision,
        calibration.level,
        str(calibration.curve),
        f"{calibration.prior:.4g}",
        *cells,
    )
