"""One caption at low load, beside the tower alone; and the same towers' offline throughput."""

from functools import partial
from typing import Any, Final

from bench.harness.processes import JsonProcess, worker_environment
from bench.serving.contenders import OURS, THREADS, Contender
from bench.serving.inputs.items import folder_of
from bench.serving.neighbours import Neighbours
from bench.serving.setting import Setting

Facts = dict[str, Any]

NAME: Final = "one caption at low load"
OFFLINE: Final = "offline"
COUNT: Final = 200
PAUSE_S: Final = 0.02
OFFLINE_S: Final = 5.0
TURNS: Final = 2
"""Halves in which tower and service take turns, so that a slow spell slows both."""


def one_caption(setting: Setting) -> None:
    """Ask one at a time with pauses, the tower in a process of its own with the same pauses."""
    for contender in setting.contenders():
        setting.measure(NAME, contender, partial(compare, setting, contender))


def compare(setting: Setting, contender: Contender) -> Facts:
    count = max(20, int(COUNT * setting.seconds / TURNS))
    pace = {"count": count, "pause_s": PAUSE_S}
    served: list[float] = []
    alone: list[float] = []
    cores, ours_s = [], 0.0
    with towers(setting) as process:
        neighbours = Neighbours.read()
        for _ in range(TURNS):
            tower = process.ask({"do": "caption"} | pace)
            alone += tower["times_ms"]
            found = setting.ask(contender, {"do": "paced", "kind": "text"} | pace)
            served += found["times_ms"]
            cores.append(found["cores"])
            ours_s += tower["cpu_s"] + found["cpu_s"] + found["own_cpu_s"]
    return {
        "served_ms": sorted(served),
        "tower_ms": sorted(alone),
        "cores": sum(cores) / TURNS,
        "neighbours": Neighbours.read().since(neighbours, ours_s),
    }


def offline(setting: Setting) -> None:
    """Embed all that there is by the public calls, threads=2, and by one-thread towers."""
    by_name = {contender.name: contender for contender in setting.contenders()}
    ours = by_name.get(OURS) or by_name[THREADS]
    setting.measure(OFFLINE, ours, partial(throughput, setting))


def throughput(setting: Setting) -> Facts:
    with towers(setting) as process:
        neighbours = Neighbours.read()
        found = process.ask({"do": "offline", "seconds": OFFLINE_S * setting.seconds})
    return found | {"neighbours": Neighbours.read().since(neighbours, found["cpu_s"])}


def towers(setting: Setting) -> JsonProcess:
    """Start the process that holds the towers alone."""
    process = JsonProcess(
        *("bench.serving.towers_alone", setting.workspace.bundle, folder_of(setting.workspace)),
        env=worker_environment(2),
        patience_s=120.0,
    )
    process.answer()
    return process
