"""The bench of bulk jobs: its kills run small, and its forgetful disk forgets."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from bench.bulk.disk import Disk

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="needs fork")
def test_killed_jobs_leave_nothing_wrong(tmp_path: Path) -> None:
    out = tmp_path / "bulk.json"
    line = ["kills", "--kills", "3", "--count", "120", "--out", str(out)]
    command = [sys.executable, "-m", "bench.bulk", *line]
    run = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    figures = json.loads(out.read_text(encoding="utf-8"))["kills"]
    assert figures["kills"] == 3
    assert figures["rows"] == 120
    wrong = ("failed jobs", "repeated", "changed", "missing", "foreign", "other")
    assert [figures[name] for name in wrong] == [0] * len(wrong)


def test_a_disk_keeps_what_was_synchronised_and_may_keep_the_rest() -> None:
    folder = Path("/work")
    disk, rng = Disk(folder), random.Random(0)
    draft, part = b"/work/.draft", b"/work/part"
    disk.apply(("openat", [draft]))
    disk.apply(("write", [draft, b"embeddings"]))
    left = [image for _ in range(200) for image in disk.images(rng)]
    assert {} in left, "no name is safe yet"
    assert {".draft": b""} in left
    torn = {image[".draft"] for image in left if image}
    assert b"embed" in torn
    assert b"embed\0\0\0\0\0" in torn
    disk.apply(("fsync", [draft]))
    disk.apply(("rename", [draft, part]))
    left = [image for _ in range(200) for image in disk.images(rng)]
    assert {} in left
    assert {image[name] for image in left for name in image} == {b"embeddings"}
    disk.apply(("fsync", [b"/work"]))
    disk.apply(("unlink", [part]))
    assert {frozenset(image) for image in disk.images(rng)} == {frozenset(), frozenset({"part"})}
