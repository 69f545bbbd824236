"""The command line."""

import argparse
import importlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from twinlens.bundle.pixel_mode import PIXEL_MODES
from twinlens.errors import TwinlensError
from twinlens.model.zero_shot import TEMPLATES
from twinlens.texts.tokenizer import OnCut

PICTURES = "pictures, folders, patterns such as 'a/**/*.jpg', .tar (webdataset) or .parquet"
IMAGE_COLUMN = "a table's column of pictures (image)"
PAIRS = "pairs: .csv, .tsv, .parquet, .tar (webdataset) or a folder with captions"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when all went well, 1 when something failed or was left out; misuse exits with 2.
    """
    _open_closed_streams()
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING, force=True)
    try:
        outcome = importlib.import_module(f"twinlens.commands.{options.command}").run(options)
        _write(_json(outcome.document) if options.json else "\n".join(outcome.lines))
    except BrokenPipeError:  # the reader, such as head, has seen enough
        return 1
    except (TwinlensError, OSError, ValueError) as error:
        sys.stderr.write(f"twinlens {options.command}: {_one_line(error)}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    code: int = outcome.code
    return code


def _open_closed_streams() -> None:
    """Let a stream that the caller closed be empty, where Python would have None."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def _json(document: object) -> str:
    return json.dumps(document, indent=2, allow_nan=False)


def _write(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    # A file's name need not be text, nor need the terminal know every letter.
    printable = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        sys.stdout.write(f"{printable}\n")
        sys.stdout.flush()
    except OSError:
        # Python would try once more when it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, TwinlensError) and error.filename:
        # Of a rename, the second is the name that the caller knows.
        return f"{error.filename2 or error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="twinlens", description="CLIP-like models without torch.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    printing = argparse.ArgumentParser(add_help=False)
    printing.add_argument("--json", action="store_true", help="print JSON")
    running = argparse.ArgumentParser(add_help=False, parents=[printing])
    running.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    running.add_argument("--precision", default="auto", help="auto, fp32, fp16 or int8 (auto)")
    running.add_argument("--threads", type=int, help="CPU threads (all that may be used)")
    _add_pixels(running)
    with_bundle = argparse.ArgumentParser(add_help=False, parents=[running])
    with_bundle.add_argument("bundle", help='a folder that twinlens-export wrote, or "demo"')

    demo = commands.add_parser(
        "demo", parents=[running], help="the whole job on the model and drawings inside the package"
    )
    demo.add_argument("--out", type=Path, default=Path("twinlens-demo.png"), help="contact sheet")
    demo.set_defaults(bundle="demo")

    embed = commands.add_parser("embed", parents=[with_bundle], help="embed pictures or texts")
    embed.add_argument("inputs", nargs="+", type=Path, help=f"{PICTURES}; or files of texts")
    embed.add_argument("--image-column", default="image", help=IMAGE_COLUMN)
    embed.add_argument("--texts", action="store_true", help='the inputs hold one text a line; "-"')
    embed.add_argument(
        "--on-cut",
        choices=get_args(OnCut),
        default="warn",
        help="a text longer than the context is cut, cut and said, or refused (warn)",
    )
    embed.add_argument("--out", type=Path, required=True, help=".npz of embeddings and names")

    index = commands.add_parser("index", parents=[with_bundle], help="make pictures searchable")
    index.add_argument("inputs", nargs="+", type=Path, help=PICTURES)
    index.add_argument("--image-column", default="image", help=IMAGE_COLUMN)
    index.add_argument("--out", type=Path, required=True, help="the folder of the index")

    search = commands.add_parser("search", parents=[with_bundle], help="search an index")
    search.add_argument("index", type=Path, help="the folder of the index")
    search.add_argument("queries", nargs="+", help="texts, or pictures with --image")
    search.add_argument("--image", action="store_true", help="the queries are pictures")
    search.add_argument("-k", type=int, default=10, help="hits of each query (10)")

    classify = commands.add_parser("classify", parents=[with_bundle], help="zero-shot labels")
    classify.add_argument("inputs", nargs="+", type=Path, help=PICTURES)
    classify.add_argument("--image-column", default="image", help=IMAGE_COLUMN)
    classify.add_argument("--labels", nargs="+", required=True, help="such as: dog cat car")
    classify.add_argument("--template", nargs="+", default=TEMPLATES, help="texts with one {}")

    _add_pair_commands(commands, printing, with_bundle)

    info = commands.add_parser("info", parents=[printing], help="what a bundle holds")
    info.add_argument("bundle", help='a folder that twinlens-export wrote, or "demo"')
    commands.add_parser("doctor", parents=[printing], help="what works here, and the cures")
    return parser


def _add_pixels(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pixels",
        choices=PIXEL_MODES,
        default="exact",
        help="fast decodes large JPEGs smaller (exact)",
    )


def _add_pair_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    printing: argparse.ArgumentParser,
    with_bundle: argparse.ArgumentParser,
) -> None:
    """The commands that read pairs, and of the last two those of known truth."""
    columns = argparse.ArgumentParser(add_help=False)
    columns.add_argument("--image-column", default="image", help=IMAGE_COLUMN)
    columns.add_argument("--text-column", default="text", help="its column of texts (text)")
    table = argparse.ArgumentParser(add_help=False, parents=[columns])
    table.add_argument("--label-column", help="its column of 0 and 1 (label, where there is one)")

    match = commands.add_parser(
        "match", parents=[with_bundle, columns], help="do these pairs match?"
    )
    match.add_argument("pairs", type=Path, help=PAIRS)
    match.add_argument("--prior", type=float, help="share of matching pairs expected")

    calibrate = commands.add_parser(
        "calibrate", parents=[printing, table], help="make cosines probabilities, from pairs"
    )
    calibrate.add_argument("bundle", help="a folder that twinlens-export wrote")
    calibrate.add_argument("pairs", type=Path, help=PAIRS)
    calibrate.add_argument("--prior", type=float, help="share of matching pairs expected")
    calibrate.add_argument("--method", choices=["platt", "isotonic", "beta"], default="platt")
    _add_pixels(calibrate)
    calibrate.add_argument("--negatives", choices=["random", "hard"], default="random")
    calibrate.add_argument("--out", type=Path, help="a calibrated copy, not the bundle itself")

    evaluate = commands.add_parser(
        "evaluate", parents=[printing, table], help="how good it is on pairs of known truth"
    )
    evaluate.add_argument("bundle", help='a folder that twinlens-export wrote, or "demo"')
    evaluate.add_argument("data", type=Path, help=f'{PAIRS}; or "demo", its drawings')
    evaluate.add_argument("--images", type=Path, help="where a table's pictures lie (beside it)")
    evaluate.add_argument("--class-column", help="its column of classes, for zero-shot")
    evaluate.add_argument("--template", nargs="+", help="texts with one {} for the class")
    evaluate.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    evaluate.add_argument("--precision", nargs="+", help="such as: fp32 int8 (all there are)")
    evaluate.add_argument("--threads", type=int, help="CPU threads (all that may be used)")
    _add_pixels(evaluate)
    evaluate.add_argument("--out", type=Path, help="a folder for report.html and report.json")


if __name__ == "__main__":
    sys.exit(main())
