"""Life of a server: its start, its idleness, its end under load."""

import statistics
import threading
import time
from functools import partial
from typing import Any, Final

from bench.serving.contenders import Contender
from bench.serving.server import Server
from bench.serving.setting import Setting

Facts = dict[str, Any]

STARTS: Final = 3
IDLE_S: Final = 10.0
STOP_AFTER_S: Final = 2.0
STOP_SHARE: Final = 0.6


def start(setting: Setting) -> None:
    """Start each server STARTS times, alone: ready, and the first text and image after."""
    for contender in setting.contenders():
        if contender.command is not None:
            setting.measure("start", contender, partial(starts, setting, contender))


def starts(setting: Setting, contender: Contender) -> Facts:
    ready, texts, images, memory = [], [], [], []
    for _ in range(STARTS):
        with Server(contender, setting.workspace) as server:
            ready.append(round(server.wait_until_ready().ready_s, 3))
            for kind, times in (("text", texts), ("image", images)):
                question = {"do": "paced", "kind": kind, "count": 1, "pause_s": 0.0}
                times += setting.ask_running(server, question)["times_ms"]
            memory.append(server.memory_mb())
    return {
        "ready_s": sorted(ready),
        "ready_median_s": statistics.median(ready),
        "first_text_ms": statistics.median(texts),
        "first_image_ms": statistics.median(images),
        "mb": statistics.median(memory),
    }


def idle(setting: Setting) -> None:
    """Count the CPU of each server that nobody asks, after it has answered some."""
    for contender in setting.contenders():
        if contender.command is not None:
            setting.measure("idle", contender, partial(idleness, setting, contender))


def idleness(setting: Setting, contender: Contender) -> Facts:
    with setting.server(contender) as server:
        question = {"do": "paced", "kind": "text", "count": 5, "pause_s": 0.01}
        setting.ask_running(server, question)
        time.sleep(1.0)
        before, begun = server.cpu_s(), time.perf_counter()
        time.sleep(IDLE_S * max(setting.seconds, 0.3))
        spent, wall = server.cpu_s() - before, time.perf_counter() - begun
        return {"cpu_s": round(spent, 3), "wall_s": round(wall, 2), "cores": spent / wall}


def stop(setting: Setting) -> None:
    """Send SIGTERM amid a load, and count what was sent before it and not answered."""
    for contender in setting.contenders():
        if contender.command is not None:
            setting.measure("SIGTERM under load", contender, partial(stopped, setting, contender))


def stopped(setting: Setting, contender: Contender) -> Facts:
    rate = STOP_SHARE * setting.saturation(contender, "saturation, text")
    with Server(contender, setting.workspace) as server:
        server.wait_until_ready()
        ended: Facts = {}

        def terminate() -> None:
            time.sleep(STOP_AFTER_S)
            begun = time.perf_counter()
            server.terminate()
            ended["exit_code"] = server.wait()
            ended["ended_s"] = round(time.perf_counter() - begun, 3)

        thread = threading.Thread(target=terminate)
        thread.start()
        found = setting.ask_running(
            server,
            {
                "do": "open",
                "streams": [
                    {"name": "text", "kind": "text", "rate": rate},
                    {"name": "bulk", "kind": "images", "rate": 2.0, "arrivals": "even"},
                ],
                "seconds": 2 * STOP_AFTER_S,
                "warm_s": 0.0,
                "seed": setting.seed(),
                # The generator's clock begins a little before; what is sent in between is apart.
                "split_s": STOP_AFTER_S - 0.1,
            },
        )
        thread.join()
    return ended | {
        "sent_before": found["before_split"],
        "sent_after": found["after_split"],
        "lost_of_accepted": sum(
            count for end, count in found["before_split"].items() if end not in {"200", "429"}
        ),
    }
