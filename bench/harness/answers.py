"""Answering side of a worker process. Imports little, as a cold start counts all imports."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

Answer = Callable[[Mapping[str, Any]], None]


def claim_stdout() -> Answer:
    """Return the function that writes one answer, a line of JSON, to stdout.

    Whatever else prints from now on writes to stderr: a library's words must not come between the
    answers.
    """
    stdout, sys.stdout = sys.stdout, sys.stderr

    def answer(facts: Mapping[str, Any]) -> None:
        print(json.dumps(facts), file=stdout, flush=True)

    return answer
