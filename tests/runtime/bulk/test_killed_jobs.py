"""Jobs killed at any moment; the next one makes the folder whole."""

import subprocess
import sys
from pathlib import Path

import pytest

from twinlens.bundle.bundle import Bundle

STRIDE = 29
"""All 970 steps take a minute."""
SCRIPT = Path(__file__).parents[2] / "kit" / "deaths" / "killed_jobs.py"


@pytest.mark.skipif(sys.platform != "linux", reason="needs fork")
def test_a_job_that_was_killed_anywhere_goes_on(bundle: Bundle, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(bundle.folder), str(tmp_path), str(STRIDE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 30
