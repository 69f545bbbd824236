"""twinlens bench: speed of a bundle or a service here, and comparisons of two."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Final

from twinlens import dataclass_json
from twinlens.benchmarking.comparison.compare import compare, require_alike
from twinlens.benchmarking.comparison.paired import Side, compare_in_turn
from twinlens.benchmarking.comparison.verdict import Comparison
from twinlens.benchmarking.inputs import Items, read_items
from twinlens.benchmarking.loadgen.loadgen import require_loadgen
from twinlens.benchmarking.options import BOUND_MS, SCENARIOS, SECONDS, Settings
from twinlens.benchmarking.record import document, json_text, read_record
from twinlens.benchmarking.reports.page import page
from twinlens.benchmarking.run import run as measure
from twinlens.benchmarking.scenarios.probe import Tell
from twinlens.benchmarking.targets.http_connection import Address
from twinlens.benchmarking.targets.model_target import ModelTarget, Opening, vars_of
from twinlens.benchmarking.targets.service_target import ServiceTarget
from twinlens.benchmarking.targets.target import Tested
from twinlens.commands.parsing.misuse import MisuseError
from twinlens.commands.printing.bench_tables import comparison_lines, record_lines
from twinlens.commands.printing.outcome import Outcome
from twinlens.commands.reading.inputs import read_lines, refuse_unused
from twinlens.commands.writing.targets import require_file
from twinlens.durable.whole import whole_file
from twinlens.progress import progress_bar
from twinlens_command import INTERRUPTED

SHARE: Final = 0.05
SUFFIXES: Final = {"out": ".json", "html": ".html"}
OF_A_RUN: Final = ("scenarios", "bound_ms", "loadgen", "out", "html")
OF_A_SERVICE: Final = ("url", "api_key_file")
OF_ALL_MEASURING: Final = ("images", "texts", "seconds", "pixels", "threads")


def run(options: argparse.Namespace) -> Outcome:
    """Measure, or compare; exit code 1 where the second of a comparison is slower.

    Raises:
        MisuseError: the options do not fit each other.
    """
    if options.compare is not None:
        return _compared(options)
    if options.against is not None or options.against_python is not None:
        return _compared_in_turn(options)
    refuse_unused(options, ("slower_than",), "is for a comparison")
    return _measured(options)


def _measured(options: argparse.Namespace) -> Outcome:
    outs = _outs(options)
    opening, settings = _opening(options), _settings(options)
    if options.loadgen:
        require_loadgen()
    target = _target(options, opening, settings)
    with _told(options, settings.seconds) as tell:
        record = measure(
            target, settings, tell=tell, driver="loadgen" if options.loadgen else "own"
        )
    lines = record_lines(record)
    for name, place in outs.items():
        _write(place, json_text(record) if name == "out" else page(record))
        lines.append(f"{'raw times' if name == 'out' else 'page'}: {place}")
    return Outcome(
        lines=lines, document=document(record), code=INTERRUPTED if record.partial else 0
    )


def _compared(options: argparse.Namespace) -> Outcome:
    """Compare two files."""
    others = (*OF_A_RUN, *OF_A_SERVICE, *OF_ALL_MEASURING, "bundle", "against", "against_python")
    refuse_unused(options, (n for n in others if n != "bundle"), "has no part in --compare")
    _refuse_choices(options, "has no part in --compare")
    if options.bundle is not None:
        raise MisuseError(
            f"--compare takes two files, and {options.bundle} is a third; leave it out"
        )
    first, second = (read_record(path) for path in options.compare)
    if not options.force:
        require_alike(first, second)
    names = (str(options.compare[0]), str(options.compare[1]))
    return _outcome(compare(first, second, share=_share(options), names=names))


def _compared_in_turn(options: argparse.Namespace) -> Outcome:
    """Let two bundles, or two builds, compute in turn."""
    refuse_unused(options, (*OF_A_RUN, *OF_A_SERVICE), "has no part in a comparison in turn")
    opening = _opening(options)
    if opening is None:
        raise MisuseError("name a BUNDLE, with which the other one is compared")
    load = vars_of(opening)
    if options.bundle != "demo":
        load["bundle"] = str(Path(options.bundle).absolute())
    first = Side(python=sys.executable, load=load, name=options.bundle)
    python = sys.executable if options.against_python is None else str(options.against_python)
    other = dict(load)
    if options.against is not None:
        is_demo = options.against == "demo"
        other["bundle"] = "demo" if is_demo else str(Path(options.against).absolute())
    words = [word for word in (options.against, options.against_python) if word is not None]
    second = Side(python=python, load=other, name=" by ".join(map(str, words)))
    seconds = options.seconds or SECONDS
    with _told(options, seconds) as tell:
        found = compare_in_turn(
            first, second, _items(options), seconds=seconds, share=_share(options), tell=tell
        )
    return _outcome(found)


def _outcome(found: Comparison) -> Outcome:
    code = INTERRUPTED if found.partial and found.paired else int(found.is_slower)
    lines, fields = comparison_lines(found), dataclass_json.write(found)
    return Outcome(lines=lines, document={**fields, "is_slower": found.is_slower}, code=code)


def _target(
    options: argparse.Namespace, opening: Opening | None, settings: Settings
) -> Callable[[], Tested]:
    """Return the opener of the target.

    Raises:
        MisuseError: there is none, or an option has no part in it.
    """
    if options.url is None:
        refuse_unused(options, ("api_key_file",), "is for --url")
        if opening is None:
            raise MisuseError("name a BUNDLE, a --url, or two files with --compare")
        return lambda: ModelTarget(opening, _items(options), settings)
    if opening is None:
        reason = "is for a BUNDLE, and the service has its own"
        refuse_unused(options, ("pixels", "threads"), reason)
        _refuse_choices(options, reason)
    key = None if options.api_key_file is None else _key(options.api_key_file)
    try:
        address = Address.read(options.url, key)
    except ValueError as error:
        raise MisuseError(str(error)) from error
    return lambda: ServiceTarget(address, _items(options), settings, reference=opening)


def _refuse_choices(options: argparse.Namespace, reason: str) -> None:
    """Refuse a device or a precision where there is no model to open.

    Raises:
        MisuseError: one is chosen.
    """
    for name in ("device", "precision"):
        if getattr(options, name) != "auto":
            raise MisuseError(f"--{name} {reason}; leave it out")


def _opening(options: argparse.Namespace) -> Opening | None:
    if options.bundle is None:
        return None
    return Opening(
        bundle=options.bundle,
        device=options.device,
        precision=options.precision,
        threads=options.threads,
        pixels=options.pixels or "exact",
    )


def _settings(options: argparse.Namespace) -> Settings:
    chosen = tuple(dict.fromkeys(chain.from_iterable(options.scenarios or [SCENARIOS])))
    return Settings(
        scenarios=tuple(name for name in SCENARIOS if name in chosen),
        seconds=options.seconds or SECONDS,
        bound_ms=options.bound_ms or BOUND_MS,
    )


def _items(options: argparse.Namespace) -> Items:
    texts = None if options.texts is None else read_lines(options.texts)
    return read_items(options.images or (), texts)


def _share(options: argparse.Namespace) -> float:
    return SHARE if options.slower_than is None else float(options.slower_than)


def _key(file: Path) -> str:
    lines = file.read_text(encoding="utf-8").split()
    if not lines:
        raise ValueError(f"{file} has no key; write one on its first line")
    return lines[0]


def _outs(options: argparse.Namespace) -> dict[str, Path]:
    """Return the files to write, by option.

    Raises:
        FileExistsError: one is there, and may not be replaced.
        MisuseError: one has another suffix.
    """
    found = {name: getattr(options, name) for name in SUFFIXES if getattr(options, name)}
    for name, place in found.items():
        if place.suffix != SUFFIXES[name]:
            raise MisuseError(f"--{name} {place} has no suffix {SUFFIXES[name]}; name one that has")
        require_file(place, force=options.force)
    return found


def _write(place: Path, text: str) -> None:
    with whole_file(place) as file:
        file.write(text.encode("utf-8"))


@contextmanager
def _told(options: argparse.Namespace, seconds: float) -> Iterator[Tell]:
    """Show the seconds of measuring as a bar."""
    total, told, shown = round(seconds), 0.0, 0
    with progress_bar(options.progress.bar, total=total, unit="s") as update:

        def tell(spent: float) -> None:
            nonlocal told, shown
            told += spent
            whole = min(total, int(told))
            update(whole - shown)
            shown = whole

        yield tell
        update(total - shown)
