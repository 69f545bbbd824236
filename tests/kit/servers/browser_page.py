"""The page of examples/browser: its build, and node to run its modules without a browser."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

BUILD: Final = Path(__file__).parents[3] / "examples" / "browser" / "build.py"
PATIENCE_S: Final = 120


def build(*words: str) -> subprocess.CompletedProcess[str]:
    """Run build.py; npm takes what its cache has, and does not try a registry twice."""
    npm = {"npm_config_prefer_offline": "true", "npm_config_fetch_retries": "0"}
    return subprocess.run(
        [sys.executable, BUILD, *words],
        capture_output=True, text=True, check=False, timeout=PATIENCE_S, env=os.environ | npm,
    )  # fmt: skip


def run_node(built: Path, body: str, given: object) -> Any:  # noqa: ANN401  any value of JSON
    """Run the body of an async function of `given` beside a built page; return its result."""
    script = f"""
        import fs from "node:fs";
        const given = JSON.parse(fs.readFileSync(0, "utf8"));
        const made = await (async () => {{ {body} }})();
        fs.writeFileSync("made.json", JSON.stringify(made));"""
    beside = built.parent
    # For node alone, which takes a .js file for another kind of module.
    (beside / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (beside / "run.js").write_text(script, encoding="utf-8")
    done = subprocess.run(
        ["node", "run.js"], input=json.dumps(given),
        capture_output=True, text=True, check=False, timeout=PATIENCE_S, cwd=beside,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads((beside / "made.json").read_text(encoding="utf-8"))
