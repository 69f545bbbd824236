"""Build the packages of a release, check them, run them, and rehearse their upload.

    python -m bench.packages build      every wheel and the sdist, into dist/
    python -m bench.packages check      each by the tools of others, and by its contents and size
    python -m bench.packages run        in fresh environments: doctor, demo, tests of the kernels
    python -m bench.packages install    seconds and megabytes of an installation
    python -m bench.packages rehearse   an index here: upload, and installations without a compiler
    python -m bench.packages types      the public face, as pyright sees it once installed
    python -m bench.packages versions   the tests on the oldest and on the newest versions promised
    python -m bench.packages release    all of these but the last

Writes results/packages.json and the tables of docs/pages/packages.md. A row names the commit that
is checked out, so all acts but `build` refuse files in dist/ that `build` did not make of its
sources, and a checkout with any change but those two files. Needs the extra `release`, CPython
3.11, and a later one for the wheel of all later ones (`--python`). `run --aarch64` needs qemu-user
and apt-get, which unpacks a Debian where the folder has none; `run --musl` needs Pythons that were
linked against musl, `run --wine` wine.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.harness.machine import commit
from bench.harness.paths import ROOT
from bench.packages import checks, installations, rehearsal, runs, types, versions
from bench.packages.cross import wheel
from bench.packages.cross.target import TARGETS
from bench.packages.dist import packages, require_commit
from bench.packages.places.arm import aarch64, root_of
from bench.packages.places.fresh import environment_of
from bench.packages.places.musl import musl, told_by
from bench.packages.places.place import Place
from bench.packages.places.windows import windows
from bench.packages.record import record

DIST: Final = ROOT / "dist"
MANYLINUX: Final = "manylinux_2_17_{}"


def build(options: argparse.Namespace) -> None:
    """Compile the wheels that are not there yet, and make the sdist.

    Raises:
        SystemExit: some did not compile; the others are made all the same.
    """
    failed = []
    for name in options.targets:
        for python in options.python:
            try:
                made = wheel.build(TARGETS[name], python, options.dist)
            except (subprocess.CalledProcessError, ValueError) as error:
                failed.append(f"{name} by {python}: {error}")
            else:
                print(made.name, f"{made.stat().st_size / 1e6:.2f} MB", flush=True)
    wheel.build_sdist(options.dist)
    if failed:
        raise SystemExit("not made:\n" + "\n".join(failed))


def check(options: argparse.Namespace) -> None:
    """Check every file, and tell which is larger than promised."""
    wheels, sdists = packages(options.dist)
    rows = [checks.checked(path) for path in wheels]
    rows += [checks.checked_sdist(path) for path in sdists]
    _record(options, "wheels", rows, "file")
    for row in rows:
        most = checks.LARGEST_MB["wheel" if row["file"].endswith(".whl") else "sdist"]
        if row["MB"] > most:
            print(f"{row['file']} has {row['MB']} MB, promised are {most}")


def run(options: argparse.Namespace) -> None:
    """Run the wheels of this machine's processor, and those of others that are asked for.

    Raises:
        SystemExit: some failed; the rows of the others are recorded all the same.
    """
    failed = []
    for where, make in _places(options):
        try:
            place, name = make()
            _record(options, "runs", [runs.run(place, name)], "where")
        except (subprocess.CalledProcessError, RuntimeError) as error:
            failed.append(f"{where}: {error}")
    if failed:
        raise SystemExit("failed:\n" + "\n".join(failed))


def _places(options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], tuple[Place, str]]]]:
    """Give the places, by their names and what makes each with the wheel that pip would take."""
    wheels, _ = packages(options.dist)

    def taking(
        version: tuple[int, int], platform: str, make: Callable[[Path], Place]
    ) -> tuple[str, Callable[[], tuple[Place, str]]]:
        def made() -> tuple[Place, str]:
            wheel_of = runs.best(wheels, version, platform)
            if wheel_of is None:
                raise RuntimeError(f"{options.dist} has no such wheel; run: build")
            return make(wheel_of), wheel_of.name

        return f"{platform}, CPython {version[0]}.{version[1]}", made

    for python in options.python:
        version = wheel.version_of(python)
        yield taking(version, MANYLINUX.format("x86_64"), partial(_fresh, python))
    for root in options.aarch64:
        yield taking(root_of(root), MANYLINUX.format("aarch64"), partial(aarch64, root=root))
    for python in options.musl:
        version, processor, _ = told_by(python)
        yield taking(version, f"musllinux_1_2_{processor}", partial(musl, python=python))
    if options.wine is not None:
        for version in ((3, 11), (3, 13)):
            yield taking(version, "win_amd64", partial(windows, wine=options.wine, version=version))


def _fresh(python: str, made: Path) -> Place:
    return environment_of(python, f"{made}[cpu]")


def install(options: argparse.Namespace) -> None:
    """Time and weigh an installation by each line."""
    packages(options.dist)
    lines = installations.LINES
    rows = [installations.installed(line, options.python, options.dist) for line in lines]
    _record(options, "installations", rows, "line")


def rehearse(options: argparse.Namespace) -> None:
    """Upload to an index on this machine, and install from it."""
    wheels, sdists = packages(options.dist)
    rows = rehearsal.rehearsed([*wheels, *sdists])
    _record(options, "rehearsal", rows, "step")


def check_types(options: argparse.Namespace) -> None:
    """Name the parts of the public face without a known type.

    Raises:
        SystemExit: there is some.
    """
    if unknown := types.verified(_wheel_of(sys.executable, options)):
        raise SystemExit(f"no known type: {', '.join(unknown)}")


def test_versions(options: argparse.Namespace) -> None:
    """Run the tests in each environment of each Python.

    Raises:
        SystemExit: the checkout changed while tests ran; those before are recorded.
    """
    for python in options.python:
        own = _wheel_of(python, options)
        for name in options.environments:
            made = versions.environment(name, python, own, options.find_links)
            rows = versions.tested(made, options.tests, options.processes, options.commit)
            for row in rows:
                _record(options, "versions", [row], "environment", "path")


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
        "python -m bench.packages", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("act", choices=ACTS)
    parser.add_argument("--dist", type=Path, default=DIST, metavar="FOLDER")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--python", nargs="*", default=[sys.executable], metavar="PROGRAM")
    parser.add_argument(
        "--aarch64", nargs="+", type=Path, default=[], metavar="FOLDER", help="run: roots of Debian"
    )
    parser.add_argument(
        "--musl", nargs="+", type=Path, default=[], metavar="PROGRAM", help="run: Pythons of musl"
    )
    parser.add_argument("--wine", type=Path, metavar="PROGRAM", help="run: Pythons for Windows")
    parser.add_argument(
        "--environments", nargs="+", choices=versions.ENVIRONMENTS, default=[*versions.ENVIRONMENTS]
    )
    parser.add_argument("--tests", nargs="+", default=(), metavar="PATH")
    parser.add_argument("--processes", type=int, default=1, help="versions: of pytest-xdist")
    parser.add_argument("--find-links", nargs="*", default=[], metavar="FOLDER")
    options = parser.parse_args(arguments)
    options.commit = commit()
    if options.act != "build":
        require_commit(options.commit)
    ACTS[options.act](options)


def _record(
    options: argparse.Namespace, part: str, rows: Sequence[Mapping[str, Any]], *keys: str
) -> None:
    """Record rows of the commit at which the act began.

    Raises:
        SystemExit: the checkout changed since.
    """
    require_commit(options.commit)
    record(part, [{**row, "commit": options.commit} for row in rows], *keys)


def _wheel_of(python: str, options: argparse.Namespace) -> Path:
    """Return the wheel of a release that a Python takes."""
    wheels, _ = packages(options.dist)
    if found := runs.best(wheels, wheel.version_of(python), MANYLINUX.format("x86_64")):
        return found
    raise SystemExit(f"{options.dist} has no wheel for {python}; run: build")


if __name__ == "__main__":
    main()
