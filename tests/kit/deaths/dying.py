"""A child process that is killed at one of its steps."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

KILLED = 9


def dies(
    act: Callable[[Path], None],
    folder: Path,
    step: int,
    *,
    counts: Callable[[FrameType, str, object], bool],
) -> bool:
    """Return True if a child was killed at its step of that number, False if it finished.

    Args:
        act: done to the folder.
        folder: left as it was at the kill.
        step: number of the step, from 0 on.
        counts: says of an event of the profiler (frame, kind, function) if it is a step.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WEXITSTATUS(status) in {0, KILLED}, status
        return os.WEXITSTATUS(status) == KILLED
    left = step

    def count(frame: FrameType, event: str, function: object) -> None:
        nonlocal left
        if counts(frame, event, function):
            if left == 0:
                os._exit(KILLED)
            left -= 1

    try:
        sys.setprofile(count)
        act(folder)
        os._exit(0)
    finally:
        os._exit(1)
