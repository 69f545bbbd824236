"""100,000 requests: memory, descriptors and threads before and after."""

from collections import Counter
from functools import partial
from typing import Any, Final

from bench.serving.contenders import OURS, Contender
from bench.serving.server import Server
from bench.serving.setting import Setting

Facts = dict[str, Any]

NAME: Final = "100,000 requests"
REQUESTS: Final = 100_000
STEPS: Final = 10
WARM: Final = 20_000
"""Requests in which buffers and the allocator's arenas grow: images alone take it from 72 to 90 MB
in their first 4,000, and stay between 86 and 91 for the next 16,000."""
KINDS: Final = ("text", "text", "text", "text", "text", "text", "image")
"""One in five or so is an image."""
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
                "kinds": list(KINDS),
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
        before, mb = count(), []
        ends: Counter[str] = Counter()
        wrong = 0
        for _ in range(STEPS):
            found = ask(max(100, int(REQUESTS / STEPS * setting.seconds)))
            ends.update(found["ends"])
            wrong += found["wrong"]
            mb.append(server.memory_mb())
        return {"before": before, "after": count(), "mb": mb, "ends": dict(ends), "wrong": wrong}
