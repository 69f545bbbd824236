"""Types of values on the command line: each reads one argument, or names its kind and range."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from twinlens.benchmarking.options import SCENARIOS, Scenario
from twinlens.bulk.shard import Shard
from twinlens.bundle.calibration import check_prior
from twinlens.bundle.specs import PRECISIONS
from twinlens.commands.parsing.misuse import MisuseError
from twinlens.errors import TwinlensError
from twinlens.loading import DEMO
from twinlens.model.zero_shot import TEMPLATES, fill_templates
from twinlens.threads import most_threads

MOST_HITS: Final = 10**9
MOST_FILES: Final = 2**20
MOST_WAITING: Final = 10**6
MOST_MEGABYTES: Final = 1024
MOST_SECONDS: Final = 86_400
MOST_SHARE: Final = 10
"""Largest share of time that a comparison may bear: beyond it nothing is slower."""
FILE_SIGN: Final = "@"
"""Begins the name of a file that holds the values, one a line."""


def device(value: str) -> str:
    """Read the name of a device: it may still be absent, but it is one."""
    if re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,4})?", value) is None:
        raise MisuseError(f"device is {value!r}, not 'auto', 'cpu', 'cuda' or 'cuda:1'")
    return value


def precision(value: str) -> str:
    """Read one precision, or "auto"."""
    return value if value == "auto" else one_precision(value)


def one_precision(value: str) -> str:
    """Read one precision."""
    if value not in PRECISIONS:
        raise MisuseError(f"precision is {value!r}, not 'auto', {', '.join(PRECISIONS)}")
    return value


def precisions(value: str) -> list[str]:
    """Read one precision, or several with commas between them."""
    return [one_precision(name) for name in value.split(",")]


def threads(value: str) -> int:
    """Read a number of threads."""
    return _whole_number(value, "threads", most_threads())


def shard(value: str) -> Shard:
    """Read a shard such as 2/8."""
    try:
        return Shard.read(value)
    except ValueError as error:
        raise MisuseError(str(error)) from error


def hits(value: str) -> int:
    """Read the number of hits of a query."""
    return _whole_number(value, "k", MOST_HITS)


def word(value: str) -> str:
    """Read a name that is not empty, as one of an unset variable would be."""
    if not value.strip():
        raise MisuseError("a name is empty; leave the option out for the default")
    return value


def origin(value: str) -> str:
    """Read the origin of a page: a scheme and a host, and no path."""
    if value != "*" and re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\\s]+", value) is None:
        raise MisuseError(f"origin is {value!r}, wanted one such as https://page.example")
    return value


def port(value: str) -> int:
    """Read the number of a port; 0 is any free one."""
    return _whole_number(value, "port", 65535, least=0)


def descriptor(value: str) -> int:
    """Read the number of an open file."""
    return _whole_number(value, "fd", MOST_FILES, least=0)


def queue(value: str) -> int:
    """Read a number of items that may wait."""
    return _whole_number(value, "max-queue", MOST_WAITING)


def megabytes(value: str) -> int:
    """Read a size in MiB."""
    return _whole_number(value, "max-body-mb", MOST_MEGABYTES)


def seconds(value: str) -> float:
    """Read a number of seconds above 0."""
    found = seconds_or_none(value)
    if found == 0:
        raise MisuseError("seconds are 0, not more than 0")
    return found


def seconds_or_none(value: str) -> float:
    """Read a number of seconds, which may be 0."""
    try:
        found = float(value)
    except ValueError as error:
        raise MisuseError(f"seconds are {value!r}, not a number") from error
    if not 0 <= found <= MOST_SECONDS:
        raise MisuseError(f"seconds are {value}, not between 0 and {MOST_SECONDS}")
    return found


def milliseconds(value: str) -> float:
    """Read a number of milliseconds above 0."""
    try:
        found = float(value)
    except ValueError as error:
        raise MisuseError(f"milliseconds are {value!r}, not a number") from error
    if not 0 < found <= 1e3 * MOST_SECONDS:
        raise MisuseError(f"milliseconds are {value}, not above 0 and at most a day's")
    return found


def percent(value: str) -> float:
    """Read a share such as 5%; a number alone could mean either."""
    try:
        found = float(value.removesuffix("%")) / 100
    except ValueError:
        found = math.nan
    if not value.endswith("%") or not 0 <= found <= MOST_SHARE:
        raise MisuseError(f"share is {value!r}, wanted one such as 5%")
    return found


def scenarios(value: str) -> list[Scenario]:
    """Read one scenario of a benchmark, or several with commas between them."""
    found = [known for name in value.split(",") for known in SCENARIOS if known == name]
    if len(found) < value.count(",") + 1:
        raise MisuseError(f"scenarios are {value!r}, wanted some of {', '.join(SCENARIOS)}")
    return found


def prior(value: str) -> float:
    """Read a share of matching pairs, in (0, 1)."""
    try:
        share = float(value)
    except ValueError as error:
        raise MisuseError(f"prior is {value!r}, not a number between 0 and 1") from error
    try:
        check_prior(share)
    except ValueError as error:
        raise MisuseError(str(error)) from error
    return share


def path(value: str) -> Path:
    """Read a path: an empty one, as of an unset variable, would be the current folder."""
    if not value:
        raise MisuseError("a path is empty; name a file or a folder")
    return Path(value)


def folder(value: str) -> Path:
    """Read the path of a folder: it may still be missing, but it is no file."""
    place = path(value)
    if place.is_file():
        raise MisuseError(f"{place} is a file, wanted a folder")
    return place


def bundle(value: str) -> str:
    """Read the place of a bundle, a folder or "demo"."""
    return value if value == DEMO else str(folder(value))


def labels(values: Sequence[str]) -> list[str]:
    """Return labels of words, of words with commas between them, and of files.

    Raises:
        MisuseError: a label is empty or there twice, or there is none.
        OSError: a file of labels cannot be read.
    """
    found: list[str] = []
    for value in values:
        if value.startswith(FILE_SIGN):
            found += _lines_of(value)
        else:
            found += [label.strip() for label in value.split(",")] if "," in value else [value]
    _check_filled(found, TEMPLATES)
    return found


def templates(values: Sequence[str]) -> list[str]:
    """Return templates of words and of files.

    Raises:
        MisuseError: a template has no one place for a label, or there is none.
        OSError: a file of templates cannot be read.
    """
    found: list[str] = []
    for value in values:
        found += _lines_of(value) if value.startswith(FILE_SIGN) else [value]
    _check_filled(["label"], found)
    return found


def _check_filled(names: Sequence[str], forms: Sequence[str]) -> None:
    try:
        fill_templates(names, forms)
    except (TwinlensError, ValueError) as error:
        raise MisuseError(str(error)) from error


def _lines_of(value: str) -> list[str]:
    """Return the lines of @file that are not empty."""
    place = path(value.removeprefix(FILE_SIGN))
    try:
        text = place.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{place} is not UTF-8 text: {error.reason} at byte {error.start}; convert it first"
        ) from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _whole_number(value: str, name: str, most: int, *, least: int = 1) -> int:
    try:
        number = int(value)
    except ValueError as error:
        raise MisuseError(f"{name} is {value!r}, not a whole number") from error
    if not least <= number <= most:
        raise MisuseError(f"{name} is {number}, not between {least} and {most}")
    return number
