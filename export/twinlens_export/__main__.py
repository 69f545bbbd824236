"""The command line: twinlens-export CHECKPOINT OUT."""

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import twinlens_command
import twinlens_export
from twinlens.bundle.specs import PRECISIONS
from twinlens.commands.info import tower_table
from twinlens.errors import TwinlensError
from twinlens_command import INTERRUPTED, is_interrupted


def main(arguments: Sequence[str] | None = None) -> int:
    """Export one checkpoint and return the exit code: 0 written, 1 not written, 2 misuse."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        format="%(message)s", level=logging.INFO if options.verbose else logging.ERROR
    )
    try:
        export, files = twinlens_export.export, twinlens_export.SampleFiles
        timing = importlib.import_module("twinlens_export.timing")
        _quiet()
        bundle = export(
            options.checkpoint,
            options.out,
            precisions=options.precision,
            samples=files(images=options.images, texts=options.texts),
            clean=options.clean,
            force=options.force,
        )
        table = tower_table(bundle.manifest, timing.speed_columns(bundle))
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if is_interrupted(error):
            return INTERRUPTED
        if not isinstance(error, (TwinlensError, OSError)):
            raise
        sys.stderr.write(f"twinlens-export: {' '.join(str(error).split())}\n")
        return 1
    for line in (*table, str(bundle.folder)):
        sys.stdout.write(f"{line}\n")
    return 0


def _quiet() -> None:
    """Silence the libraries' progress bars and warnings."""
    logs = importlib.import_module("transformers.utils.logging")
    logs.disable_progress_bar()
    logs.set_verbosity_error()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="twinlens-export",
        description="Export a CLIP-like checkpoint to a bundle, which twinlens runs without torch.",
    )
    parser.add_argument("checkpoint", help="a folder saved by transformers, or a Hub id")
    parser.add_argument("out", type=Path, help="the bundle's folder: new or empty")
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=PRECISIONS,
        default=["fp32", "int8"],
        help="fp32 runs anywhere, fp16 is for CUDA, int8 for CPUs (fp32 int8)",
    )
    parser.add_argument(
        "--images", type=Path, help="a folder of images like yours, to calibrate and verify on"
    )
    parser.add_argument(
        "--texts", type=Path, help="a file of texts like yours, one a line, for the same"
    )
    parser.add_argument(
        "--clean",
        choices=("none", "openai"),
        help="cleaning of texts: none as in transformers, openai as in OpenAI's own code, for "
        "which users need twinlens[ftfy] (default: the checkpoint's)",
    )
    parser.add_argument("--force", action="store_true", help="replace the bundle at OUT")
    parser.add_argument("--verbose", action="store_true", help="log progress")
    return parser


if __name__ == "__main__":
    sys.exit(twinlens_command.export())
