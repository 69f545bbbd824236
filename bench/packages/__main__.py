"""Build the packages of a release, check them, run them, and rehearse their upload.

    python -m bench.packages build      every wheel and the sdist, into dist/
    python -m bench.packages check      each by the tools of others, and by its contents and size
    python -m bench.packages run        in fresh environments: doctor, demo, tests of the kernels
    python -m bench.packages install    seconds and megabytes of an installation
    python -m bench.packages rehearse   an index here: upload, and installations without a compiler
    python -m bench.packages types      the public face, as pyright sees it once installed
    python -m bench.packages versions   the tests on the oldest and on the newest versions promised
    python -m bench.packages release    all of these but the last

Writes results/packages.json and the tables of docs/pages/packages.md. Needs the extra `release`,
CPython 3.11, and a later one for the wheel of all later ones (`--python`); `run --aarch64` needs
qemu-user and apt-get, `run --musl` a Python that was linked against musl.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.harness.paths import BUILD, ROOT
from bench.packages import checks, installations, places, rehearsal, runs, types, versions
from bench.packages.cross import wheel
from bench.packages.cross.target import TARGETS
from bench.packages.record import record

DIST: Final = ROOT / "dist"
MANYLINUX: Final = "manylinux_2_17_{}"


def build(options: argparse.Namespace) -> None:
    """Compile the wheels that are not there yet, and make the sdist."""
    for name in options.targets:
        for python in options.python:
            made = wheel.build(TARGETS[name], python, options.dist)
            print(made.name, f"{made.stat().st_size / 1e6:.2f} MB", flush=True)
    command = [sys.executable, "-m", "build", "--sdist", "--outdir", str(options.dist), str(ROOT)]
    subprocess.run(command, check=True)


def check(options: argparse.Namespace) -> None:
    """Check every file, and tell which is larger than promised."""
    rows = [checks.checked(path) for path in _wheels(options)]
    rows += [checks.checked_sdist(path) for path in sorted(options.dist.glob("*.tar.gz"))]
    record("wheels", rows, "file")
    for row in rows:
        most = checks.LARGEST_MB["wheel" if row["file"].endswith(".whl") else "sdist"]
        if row["MB"] > most:
            print(f"{row['file']} has {row['MB']} MB, promised are {most}")


def run(options: argparse.Namespace) -> None:
    """Run the wheels of this machine's processor, and of the others that are asked for."""
    wheels = _wheels(options)
    rows = []
    for python in options.python:
        here = runs.best(wheels, wheel.version_of(python), MANYLINUX.format("x86_64"))
        if here is not None:
            place = places.environment_of(python, f"{here}[cpu]")
            rows.append(runs.run(place, here.name))
    if options.aarch64:
        there = runs.best(wheels, sys.version_info[:2], MANYLINUX.format("aarch64"))
        if there is not None:
            place = places.aarch64(there, BUILD / "processors" / "aarch64")
            rows.append(runs.run(place, there.name))
    if options.musl:
        version = wheel.version_of(str(options.musl))
        there = runs.best(wheels, version, places.MUSL)
        if there is not None:
            rows.append(runs.run(places.musl(there, options.musl), there.name))
    record("runs", rows, "where")


def install(options: argparse.Namespace) -> None:
    """Time and weigh an installation by each line."""
    lines = installations.LINES
    rows = [installations.installed(line, options.python, options.dist) for line in lines]
    record("installations", rows, "line")


def rehearse(options: argparse.Namespace) -> None:
    """Upload to an index on this machine, and install from it."""
    rows = rehearsal.rehearsed([*_wheels(options), *sorted(options.dist.glob("*.tar.gz"))])
    record("rehearsal", rows, "step")


def check_types(options: argparse.Namespace) -> None:
    """Name the parts of the public face without a known type.

    Raises:
        SystemExit: there is some.
    """
    if unknown := types.verified(_here(options)):
        raise SystemExit(f"no known type: {', '.join(unknown)}")


def test_versions(options: argparse.Namespace) -> None:
    """Run the tests in each environment."""
    for name in options.environments:
        python, told = versions.environment(name, _here(options), options.find_links)
        record("versions", [versions.tested(name, python, told, options.tests)], "environment")


def release(options: argparse.Namespace) -> None:
    """Do all that comes before an upload but the tests on other versions."""
    for act in (build, check, check_types, run, install, rehearse):
        act(options)


ACTS: Final[dict[str, Callable[[argparse.Namespace], None]]] = {
    "build": build,
    "check": check,
    "run": run,
    "install": install,
    "rehearse": rehearse,
    "types": check_types,
    "versions": test_versions,
    "release": release,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one act."""
    parser = argparse.ArgumentParser(
        "python -m bench.packages", description=__doc__.splitlines()[0]
    )
    parser.add_argument("act", choices=ACTS)
    parser.add_argument("--dist", type=Path, default=DIST, metavar="FOLDER")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--python", nargs="+", default=[sys.executable], metavar="PROGRAM")
    parser.add_argument("--aarch64", action="store_true", help="run: a Debian root under qemu-user")
    parser.add_argument("--musl", type=Path, metavar="PROGRAM", help="run: a Python of musl")
    parser.add_argument(
        "--environments", nargs="+", choices=versions.ENVIRONMENTS, default=[*versions.ENVIRONMENTS]
    )
    parser.add_argument("--tests", nargs="+", default=list(versions.TESTS), metavar="PATH")
    parser.add_argument("--find-links", nargs="*", default=[], metavar="FOLDER")
    options = parser.parse_args(arguments)
    ACTS[options.act](options)


def _wheels(options: argparse.Namespace) -> list[Path]:
    return sorted(options.dist.glob("*.whl"))


def _here(options: argparse.Namespace) -> Path:
    """Return the wheel that this Python takes."""
    found = runs.best(_wheels(options), sys.version_info[:2], MANYLINUX.format("x86_64"))
    if found is None:
        raise SystemExit(f"{options.dist} has no wheel for this Python; run: build")
    return found


if __name__ == "__main__":
    main()
