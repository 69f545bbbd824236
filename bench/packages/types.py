"""Types of the public face, as the type checkers of its users see them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from bench.packages.cross.wheel import WORK

ASK: Final = "import json, twinlens; print(json.dumps(twinlens.__all__))"


def verified(wheel: Path) -> list[str]:
    """Install a wheel, and return the names of the public face whose types are not all known.

    pyright propagates: a class is known if all of its public members are, and those of every class
    that they name.
    """
    folder = WORK / "environments" / "types"
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", f"{wheel}[cpu,serve]", "pyright"]
    subprocess.run(install, check=True)
    face = set(json.loads(_told(python, "-c", ASK)))
    # It looks for the package in the first Python of the path, and for the types of others there.
    beside = {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    verify = ("--verifytypes", "twinlens", "--ignoreexternal", "--outputjson")
    report = json.loads(_told(python, "-m", "pyright", *verify, **beside))
    symbols: list[dict[str, Any]] = report["typeCompleteness"]["symbols"]
    found = {symbol["name"].removeprefix("twinlens."): symbol for symbol in symbols}
    return sorted(
        name
        for name in face - {"__version__"}
        if name not in found or not found[name]["isTypeKnown"] or found[name]["isTypeAmbiguous"]
    )


def _told(*command: str, **variables: str) -> str:
    """Return the output of a command; pyright's exit code is 1 for any unknown type anywhere."""
    return subprocess.run(
        command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True, check=False
    ).stdout
