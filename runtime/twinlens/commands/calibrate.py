"""twinlens calibrate: fit the calibration of a bundle."""

import argparse

from twinlens import dataclass_json
from twinlens.bundle.calibration import Calibration
from twinlens.calibration.calibrate import calibrate
from twinlens.calibration.calibration_options import CalibrationOptions
from twinlens.commands.output import Outcome
from twinlens.commands.table import Table
from twinlens.datasets.pairs import Columns
from twinlens.datasets.read_pairs import read_pairs


def run(options: argparse.Namespace) -> Outcome:
    """Fit every precision of the bundle on the pairs, and write the manifest."""
    columns = Columns(
        image=options.image_column, text=options.text_column, label=options.label_column
    )
    fitted = calibrate(
        options.bundle,
        read_pairs(options.pairs, columns=columns),
        options=CalibrationOptions(
            prior=options.prior,
            method=options.method,
            negatives=options.negatives,
            fitted_on=options.pairs.name,
        ),
        pixels=options.pixels,
        out=options.out,
    )
    table = Table(
        head=("precision", "level", "curve", "prior", "held-out ECE", "Brier", "log-loss", "AUC"),
        labels=3,
    )
    table.rows.extend(_row(precision, calibration) for precision, calibration in fitted.items())
    first = next(iter(fitted.values()))
    return Outcome(
        lines=[
            f"{first.matching} matching pairs and {first.others} others, {first.negatives}",
            *table.lines(),
            f"written to {options.out or options.bundle}",
        ],
        document={
            precision: dataclass_json.write(calibration)
            for precision, calibration in fitted.items()
        },
    )


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
