"""An event loop in a thread of its own: LoadGen keeps the calling one."""

import asyncio
import threading
from typing import Any, Self


class LoopThread:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Any) -> Any:  # noqa: ANN401  any coroutine's
        """Run a coroutine there; return its result."""
        return self.start(work).result()

    def start(self, work: Any) -> Any:  # noqa: ANN401
        """Start a coroutine there; return its future."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)
