"""A service asked once a second: its caches are cold, and its threads asleep."""

import statistics
import time
from typing import Any, Final

from bench.serving.contenders import ENGINE, Contender
from bench.serving.setting import Setting

Facts = dict[str, Any]

NAME: Final = "asked once a second"
ROUNDS: Final = 50
EVERY_S: Final = 1.0


def seldom(setting: Setting) -> None:
    """Ask all contenders in turn, each once a second for a text or an image, by turns.

    Each finds the caches as the others have left them. It wakes 20 ms before it is asked, and is
    stopped again then: workers that poll would take the cores from all others.
    """
    contenders = [one for one in setting.contenders() if one.name != ENGINE]
    cells = [setting.cell(NAME, one) for one in contenders]
    if setting.is_late() or all(setting.log.has(cell) for cell in cells):
        return
    found = ask_in_turn(setting, contenders, max(4, int(ROUNDS * setting.seconds)))
    for cell, contender in zip(cells, contenders, strict=True):
        setting.log.add(cell | found[contender.name])


def ask_in_turn(setting: Setting, contenders: list[Contender], rounds: int) -> dict[str, Facts]:
    times: dict[str, dict[str, list[float]]] = {
        one.name: {"text": [], "image": []} for one in contenders
    }
    for number in range(-2, rounds):
        begun = time.perf_counter()
        for place, contender in enumerate(contenders):
            due = begun + place * EVERY_S / len(contenders)
            time.sleep(max(0.0, due - time.perf_counter()))
            kind = "image" if number % 2 else "text"
            question = {"do": "paced", "kind": kind, "count": 1, "pause_s": 0.02}
            with setting.server(contender) as server:
                found = setting.ask_running(server, question | {"first": number % 32})
            if number >= 0:
                times[contender.name][kind] += found["times_ms"]
        time.sleep(max(0.0, begun + EVERY_S - time.perf_counter()))
    return {
        name: {
            f"{kind}_ms": {
                "p50": round(statistics.median(values), 2),
                "max": max(values),
                "all": sorted(values),
            }
            for kind, values in kinds.items()
            if values
        }
        for name, kinds in times.items()
    }
