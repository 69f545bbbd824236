"""Argument parser with one-line errors, and arguments that several commands share."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NoReturn, get_args

from twinlens.bundle.calibration import CalibrationLevel
from twinlens.bundle.pixel_mode import PIXEL_MODES
from twinlens.commands.parsing import values
from twinlens.commands.parsing.misuse import MisuseError
from twinlens.commands.printing.text import one_line

IMAGES: Final = "pictures, folders, patterns such as 'a/**/*.jpg', .tar (webdataset) or .parquet"
BUNDLE: Final = 'a folder that twinlens-export wrote, or "demo"'
IMAGE_COLUMN: Final = "image"
TEXT_COLUMN: Final = "text"
SWALLOWED: Final = (
    "an option of several words takes every word after it: give the others first, "
    "or -- before them, or the words with commas (--labels a,b) or in a file (--labels @file)"
)

WHOLE_LISTS: Final[Mapping[str, str]] = MappingProxyType(
    {"--labels": ",@", "--precision": ",", "--scenarios": ",", "--template": "@"}
)
"""By option of several words, the signs of a word that is the whole list: a comma or a file."""


class Parser(argparse.ArgumentParser):
    """Parser of one command, or of the choice among them."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  argparse's own settings
        super().__init__(allow_abbrev=False, **settings)
        self.swallows = False
        """True if an option takes several words, which may be meant for another argument."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401
        """Parse the arguments; a wrong value ends the program with 2."""
        try:
            return super().parse_known_args(args, namespace)
        except MisuseError as error:
            self.refuse(str(error))

    def error(self, message: str) -> NoReturn:
        """End the program with 2 and one line, below the usage if arguments are missing."""
        if not message.startswith("argument "):
            self.print_usage(sys.stderr)
        missing = "arguments are required" in message
        self.refuse(f"{message}; {SWALLOWED}" if missing and self.swallows else message)

    def refuse(self, message: str) -> NoReturn:
        """End the program with 2 and one line."""
        self.exit(2, f"{self.prog}: {one_line(message)}; see {self.prog} --help\n")


def printing() -> Parser:
    """Return the arguments of every command."""
    parser = Parser(add_help=False)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def running(*, precision: bool = True) -> Parser:
    """Return the arguments of the commands that run a model."""
    parser = Parser(add_help=False)
    parser.add_argument(
        "--device",
        type=values.device,
        default="auto",
        help="auto, cpu, cuda or cuda:N (auto); the device asked for, or an error",
    )
    if precision:
        parser.add_argument(
            "--precision",
            type=values.precision,
            default="auto",
            help="auto, fp32, fp16, bf16 or int8 (auto)",
        )
    parser.add_argument("--threads", type=values.threads, help="CPU threads (all that may be used)")
    return parser


def add_pixels(parser: argparse.ArgumentParser) -> None:
    """Add the choice of pixels, None where it is not made."""
    parser.add_argument(
        "--pixels", choices=PIXEL_MODES, help="fast decodes large JPEGs smaller (exact)"
    )


def add_level(parser: argparse.ArgumentParser) -> None:
    """Add the level of probabilities, None where the bundle's own is meant."""
    parser.add_argument(
        "--level",
        choices=get_args(CalibrationLevel),
        help="level of the probabilities, or an error; assumed: a curve that nobody has fitted to "
        "the model (the bundle's own calibration)",
    )


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Add the bundle, as the first argument."""
    parser.add_argument("bundle", type=values.bundle, help=BUNDLE)


def add_images(parser: argparse.ArgumentParser, *, words: str = IMAGES) -> None:
    """Add sources of images, and the column of those that are tables."""
    parser.add_argument("inputs", nargs="+", type=values.path, help=words)
    parser.add_argument("--image-column", help=f"a table's column of pictures ({IMAGE_COLUMN})")


def add_out(parser: argparse.ArgumentParser, words: str, *, required: bool = False) -> None:
    """Add the output, and the leave to replace one that is there."""
    parser.add_argument("--out", type=values.path, required=required, help=words)
    parser.add_argument("--force", action="store_true", help="replace an output that is there")


def joined(arguments: Sequence[str]) -> list[str]:
    """Join an option with the word after it if that is a whole list: a,b or @file.

    argparse gives every word after `--labels` to it; of `--labels=a,b` it takes no more.

    Raises:
        MisuseError: "--", after which no word is an option, is there twice.

    >>> joined(["demo", "--labels", "a,b", "dog.png"])
    ['demo', '--labels=a,b', 'dog.png']
    """
    result: list[str] = []
    for place, word in enumerate(arguments):
        if word == "--":
            rest = list(arguments[place:])
            if "--" in rest[1:]:  # which argparse of Python 3.11 takes for no value at all
                raise MisuseError("-- is there twice; give it once")
            return result + rest
        signs = WHOLE_LISTS.get(result[-1], "") if result else ""
        if ("," in signs and "," in word) or ("@" in signs and word.startswith("@")):
            result[-1] += f"={word}"
        else:
            result.append(word)
    return result
