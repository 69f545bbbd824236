"""100,000 requests: memory, descriptors and threads before and after."""

from functools import partial
from typing import Any, Final

from bench.serving.contenders import OURS, Contender
from bench.serving.server import Server
from bench.serving.setting import Setting

Facts = dict[str, Any]

NAME: Final = "100,000 requests"
REQUESTS: Final = 100_000
WARM: Final = 5_000
CALLERS: Final = 16
MOST_S: Final = 500.0


def soak(setting: Setting) -> None:
    """Ask ours alone, for texts and images by chance."""
    for contender in setting.contenders():
        if contender.name == OURS:
            setting.measure(NAME, contender, partial(soaked, setting, contender))


def soaked(setting: Setting, contender: Contender) -> Facts:
    """Count after WARM requests, in which all buffers grow, and after REQUESTS more."""
    with Server(contender, setting.workspace) as server:
        server.wait_until_ready()

        def ask(most: int) -> Facts:
            question = {
                "do": "closed",
                "kinds": ["text", "image"],
                "callers": CALLERS,
                "seconds": MOST_S,
                "warm_s": 0.0,
                "most": most,
            }
            return setting.ask_running(server, question)

        def count() -> Facts:
            return {
                "mb": server.memory_mb(),
                "descriptors": server.descriptors(),
                "threads": server.threads(),
            }

        ask(max(500, int(WARM * setting.seconds)))
        before = count()
        found = ask(max(1000, int(REQUESTS * setting.seconds)))
        return {
            "before": before,
            "after": count(),
            "ends": found["ends"],
            "wrong": found["wrong"],
            "wall_s": found["wall_s"],
        }
