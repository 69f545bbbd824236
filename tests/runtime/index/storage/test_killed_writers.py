"""A writer killed at any step leaves the old or the new index on disk."""

import subprocess
import sys
from pathlib import Path

import killed_writers
import pytest

WRITERS = Path(killed_writers.__file__)


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize(("how", "deaths"), [("steps", 550), ("signals", 25), ("codes", 150)])
def test_a_killed_writer_leaves_the_old_index_or_the_new_one(
    tmp_path: Path, how: str, deaths: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(WRITERS), how, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= deaths
