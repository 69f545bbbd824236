"""Priority of a worker's thread, as the system's scheduler sees it."""

import os
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from twinlens.serving.queueing.lanes import Lane

CAN_PREEMPT: Final = sys.platform == "linux"
"""True where each thread has a priority of its own: elsewhere it is the process's."""
NICENESS: Final[Mapping[Lane, int]] = MappingProxyType({"texts": 2, "rest": 6})
"""Added to the niceness of the process. A step of 1 is a weight of 1.25: the event loop gets 1.5
times the time of a text's thread when both are runnable, and a text 2.4 times that of an image, so
that bulk work keeps 29 % of the cores under a flood of texts."""
LOWEST: Final = 19


def lower_priority(lane: Lane) -> None:
    """Lower the priority of the calling thread to that of its lane.

    To lower it needs no privilege. Where it is refused (a seccomp filter), nothing changes.
    """
    if not CAN_PREEMPT or lane not in NICENESS:
        return
    thread = threading.get_native_id()
    with suppress(OSError):
        own = os.getpriority(os.PRIO_PROCESS, os.getpid())
        os.setpriority(os.PRIO_PROCESS, thread, min(own + NICENESS[lane], LOWEST))
