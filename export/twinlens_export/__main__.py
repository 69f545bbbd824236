"""The command line: twinlens-export CHECKPOINT OUT, or twinlens-export BUNDLE --portable FOLDER."""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import twinlens_command
import twinlens_export
from twinlens.bundle.bundle import Bundle, open_bundle
from twinlens.bundle.specs import PRECISIONS, Precision
from twinlens.commands.calibrate import calibration_lines
from twinlens.commands.info import tower_table
from twinlens.commands.parsing.arguments import Parser
from twinlens.commands.printing.error_line import error_line
from twinlens.datasets.read_pairs import read_pairs
from twinlens.errors import TRACEBACK
from twinlens.loading import folder_of
from twinlens_command import INTERRUPTED, is_interrupted
from twinlens_export.portable.names import named
from twinlens_export.portable.place import require_free as require_free_folder
from twinlens_export.triton import require_free, write_repository

DEFAULT_PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "int8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Export one checkpoint and return the exit code: 0 written, 1 not written, 2 misuse."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.out is None and options.triton is None and options.portable is None:
        parser.error(
            "OUT is missing: the bundle's folder; without it, a bundle and --triton or --portable"
        )
    logging.basicConfig(
        format="%(message)s", level=logging.INFO if options.verbose else logging.ERROR
    )
    try:
        lines = _of_bundle(options) if options.out is None else _bundle(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if is_interrupted(error):
            return INTERRUPTED
        if os.environ.get(TRACEBACK):
            raise
        sys.stderr.write(f"twinlens-export: {error_line(error)}\n")
        return 1
    for line in lines:
        sys.stdout.write(f"{line}\n")
    return 0


def _bundle(options: argparse.Namespace) -> list[str]:
    """Export a checkpoint, and return the lines to print."""
    export, files = twinlens_export.export, twinlens_export.SampleFiles
    timing = importlib.import_module("twinlens_export.timing")
    _quiet()
    precisions = options.precision or DEFAULT_PRECISIONS
    if options.triton is not None:
        # Before the work of minutes; the names of the models are those of the bundle's folder.
        require_free(options.triton, options.out, precisions, force=options.force)
    pairs = None if options.pairs is None else read_pairs(options.pairs)  # before the work, too
    if options.portable is not None:
        named(precisions)
        require_free_folder(options.portable, force=options.force)
    bundle = export(
        options.checkpoint,
        options.out,
        precisions=precisions,
        samples=files(images=options.images, texts=options.texts),
        clean=options.clean,
        text_from=options.text_from,
        pairs=pairs,
        force=options.force,
        progress=True,
    )
    table = tower_table(bundle.manifest, timing.speed_columns(bundle))
    lines = [*table, *calibration_lines(bundle.manifest.calibrations), str(bundle.folder)]
    return [*lines, *_further(bundle, precisions, options)]


def _of_bundle(options: argparse.Namespace) -> list[str]:
    """Write further forms of a bundle that is there, and return the lines to print."""
    bundle = open_bundle(folder_of(options.checkpoint))
    return _further(bundle, options.precision or list(bundle.manifest.towers), options)


def _further(
    bundle: Bundle, precisions: Sequence[Precision], options: argparse.Namespace
) -> list[str]:
    """Write the forms of a bundle that were asked for, and return the lines to print."""
    lines: list[str] = []
    if options.triton is not None:
        lines += write_repository(bundle, options.triton, precisions, force=options.force)
    if options.portable is not None:
        write = twinlens_export.write_portable
        lines += write(
            bundle, options.portable, named(precisions), force=options.force, progress=True
        )
    return lines


def _quiet() -> None:
    """Silence the libraries' progress bars and warnings."""
    logs = importlib.import_module("transformers.utils.logging")
    logs.disable_progress_bar()
    logs.set_verbosity_error()


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="twinlens-export",
        description="Export a CLIP-like checkpoint to a bundle, which twinlens runs without torch. "
        "Example: twinlens-export openai/clip-vit-base-patch32 clip-b32",
    )
    parser.add_argument(
        "checkpoint",
        help="a folder, a Hub id, or a file of weights (.pt); without OUT a bundle, or demo",
    )
    parser.add_argument(
        "out",
        type=Path,
        nargs="?",
        help="the bundle's folder: new or empty (see --triton and --portable)",
    )
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=PRECISIONS,
        help="fp32 runs anywhere, fp16 is for CUDA, bf16 and int8 for CPUs "
        "(fp32 int8; of a bundle: all)",
    )
    parser.add_argument(
        "--images", type=Path, help="a folder of images like yours, to calibrate and verify on"
    )
    parser.add_argument(
        "--texts", type=Path, help="a file of texts like yours, one a line, for the same"
    )
    parser.add_argument(
        "--pairs",
        type=Path,
        help="pairs of images and texts, as of twinlens calibrate: every precision is calibrated "
        "on them (without them there is an assumed curve alone, for level='assumed')",
    )
    parser.add_argument(
        "--clean",
        choices=("none", "openai"),
        help="cleaning of texts: none as in transformers, openai as in OpenAI's own code, for "
        "which users need twinlens[ftfy] (default: the checkpoint's)",
    )
    parser.add_argument(
        "--text-from",
        metavar="CHECKPOINT",
        help="another checkpoint, whose text tower was trained for this image tower (multilingual "
        "ones come so)",
    )
    parser.add_argument(
        "--triton",
        type=Path,
        metavar="FOLDER",
        help="write the towers as models of a Triton repository too; without OUT, those of a "
        "bundle that is there",
    )
    parser.add_argument(
        "--portable",
        type=Path,
        metavar="FOLDER",
        help="write the towers in standard operators, for transformers.js, fastembed, OpenVINO and "
        "others, with the files that they want; without OUT, those of a bundle that is there",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace the bundle at OUT, models of --triton, or the folder of --portable",
    )
    parser.add_argument("--verbose", action="store_true", help="log progress")
    return parser


if __name__ == "__main__":
    sys.exit(twinlens_command.export())
