"""`twinlens browse` in a process of its own, and chromium beside it."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

PATIENCE_S = 60


@contextmanager
def browse(*arguments: str) -> Iterator[str]:
    """Serve a page; yield its address."""
    code = "import sys; from twinlens_command import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "browse", "--no-open", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := re.match(r"(http://\S+/) ", line):
                yield found[1]
                return
        raise RuntimeError("".join(lines))
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the system's chromium."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield browser
        browser.close()
