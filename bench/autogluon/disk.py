"""Bytes that an installation takes: a distribution with all that it requires.

    python -m bench.autogluon.disk NAME [EXTRA ...]

Runs in the interpreter whose installation it measures, and prints a line of JSON.
"""

import json
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

MODULES: Final = ("twinlens", "twinlens_kernels", "twinlens_command")
"""Modules of twinlens, which a live installation reads from the repository."""


def closure(name: str, extras: tuple[str, ...]) -> dict[str, Distribution]:
    """Return the installed distributions that one requires, itself included."""
    found: dict[str, Distribution] = {}
    waiting = [(name, ("", *extras))]
    while waiting:
        wanted, chosen = waiting.pop()
        if wanted.lower().replace("_", "-") in found:
            continue
        try:
            one = distribution(wanted)
        except PackageNotFoundError:
            continue
        found[wanted.lower().replace("_", "-")] = one
        for line in one.requires or ():
            need = Requirement(line)
            if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in chosen):
                waiting.append((need.name, ("", *need.extras)))
    return found


def size_of(name: str, one: Distribution) -> int:
    """Return the bytes of a distribution, also where its modules lie elsewhere."""
    paths = [Path(str(path.locate())) for path in one.files or ()]
    for module in MODULES if name == MODULES[0] else ():
        found = find_spec(module)
        for folder in (found.submodule_search_locations or ()) if found else ():
            paths += Path(folder).rglob("*")
    return sum(path.stat().st_size for path in set(paths) if path.is_file())


def main() -> None:
    name, *extras = sys.argv[1:]
    found = closure(name, tuple(extras))
    mb = sum(size_of(key, one) for key, one in found.items()) / 1e6
    print(json.dumps({"packages": len(found), "mb": round(mb)}))


if __name__ == "__main__":
    main()
