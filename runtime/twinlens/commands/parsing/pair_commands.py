"""Arguments of the commands that read pairs."""

import argparse
from typing import get_args

from twinlens.bundle.calibration import NegativeSampling
from twinlens.calibration.fit_labelled import LABEL_FITS
from twinlens.commands.parsing import values
from twinlens.commands.parsing.arguments import (
    IMAGE_COLUMN,
    TEXT_COLUMN,
    Parser,
    add_bundle,
    add_level,
    add_out,
    add_pixels,
    printing,
    running,
)
from twinlens.commands.parsing.image_commands import Commands, add_templates

PAIRS = "pairs: .csv, .tsv, .jsonl, .parquet, .tar (webdataset), COCO's .json, or a folder of these"


def add_match(commands: "Commands[Parser]") -> None:
    """Add `twinlens match`."""
    parser = commands.add_parser(
        "match",
        parents=[running(), printing()],
        help="do these pairs match?",
        description="Print the probability that each pair of a picture and a text matches. The "
        "bundle needs a calibration. Example: twinlens match clip-b32 pairs.csv",
    )
    add_bundle(parser)
    parser.add_argument("pairs", type=values.path, help=PAIRS)
    _add_columns(parser)
    _add_second_columns(parser)
    add_pixels(parser)
    _add_prior(parser)
    add_level(parser)


def add_calibrate(commands: "Commands[Parser]") -> None:
    """Add `twinlens calibrate`."""
    parser = commands.add_parser(
        "calibrate",
        parents=[printing()],
        help="make cosines probabilities, from pairs",
        description="Fit the curve from cosines to probabilities on pairs of yours, in every "
        "precision, and print its error on pairs that were held out. Example: twinlens calibrate "
        "clip-b32 pairs.csv",
    )
    add_bundle(parser)
    parser.add_argument("pairs", type=values.path, help=PAIRS)
    _add_columns(parser)
    _add_second_columns(parser)
    _add_label_column(parser)
    add_pixels(parser)
    _add_prior(parser)
    parser.add_argument(
        "--method", choices=list(LABEL_FITS), help="without labels only platt (platt)"
    )
    parser.add_argument(
        "--negatives", choices=get_args(NegativeSampling), help="of pairs without labels (random)"
    )
    add_out(parser, "a folder for a calibrated copy (the bundle itself is changed)")


def add_evaluate(commands: "Commands[Parser]") -> None:
    """Add `twinlens evaluate`."""
    parser = commands.add_parser(
        "evaluate",
        parents=[running(precision=False), printing()],
        help="how good it is on pairs of known truth",
        description="Measure recall, zero-shot classes and probabilities on pairs of yours, in "
        "every precision. Example: twinlens evaluate clip-b32 pairs.csv --out report",
    )
    add_bundle(parser)
    parser.add_argument("data", type=values.path, help=f'{PAIRS}; or "demo", its drawings')
    parser.add_argument(
        "--precision",
        nargs="+",
        type=values.precisions,
        help="such as: fp32 int8, or fp32,int8 (all that are made for the device)",
    )
    parser.add_argument(
        "--images", type=values.folder, help="where a table's pictures lie (beside it)"
    )
    _add_columns(parser)
    _add_label_column(parser)
    parser.add_argument("--class-column", help="its column of classes, for zero-shot")
    parser.add_argument(
        "--group-column",
        help="its column of parts that are evaluated apart too, such as known and unseen",
    )
    add_templates(parser)
    add_pixels(parser)
    add_level(parser)
    add_out(parser, "a folder for report.html and report.json")
    parser.swallows = True


def _add_columns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--image-column", help=f"a table's column of pictures ({IMAGE_COLUMN})")
    parser.add_argument("--text-column", help=f"its column of texts ({TEXT_COLUMN})")


def _add_second_columns(parser: argparse.ArgumentParser) -> None:
    for name, words in (("images2", "pictures"), ("texts2", "texts")):
        parser.add_argument(
            f"--{name}",
            metavar="COLUMN",
            help=f"a second column of {words}, of pairs of two {words}: they have a curve of their "
            "own",
        )


def _add_label_column(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--label-column", help="its column of 0 and 1 (label, where there is one)")


def _add_prior(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prior", type=values.prior, help="share of matching pairs expected")
