"""Computing side of a paired comparison: a script, run by the interpreter of either build.

It asks nothing of its twinlens but `load` and a model's calls, so that the other build may be an
older one. Its stdin has lines of JSON: first an object with the arguments of `twinlens.load` as
"load", paths of images, texts and batches; then questions, each answered by one line.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def acts_of(model: Any, asked: dict[str, Any]) -> dict[str, Callable[[int], object]]:  # noqa: ANN401
    """Return the queries by their names: one image, one text, and batches of both."""
    images = [Path(path).read_bytes() for path in asked["images"]]
    texts = asked["texts"]
    acts: dict[str, Callable[[int], object]] = {}
    for batch in asked["batches"]:

        def some_images(number: int, batch: int = batch) -> object:
            first = number * batch
            return model.embed_images([images[(first + n) % len(images)] for n in range(batch)])

        def some_texts(number: int, batch: int = batch) -> object:
            first = number * batch
            return model.embed_texts([texts[(first + n) % len(texts)] for n in range(batch)])

        acts[f"image {batch}"], acts[f"text {batch}"] = some_images, some_texts
    return acts


def main() -> None:
    """Load the model, and answer questions until the input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr

    def answer(fields: dict[str, Any]) -> None:
        answers.write(json.dumps(fields) + "\n")
        answers.flush()

    asked = json.loads(sys.stdin.readline())
    import twinlens  # noqa: PLC0415  of the interpreter that runs this

    model = twinlens.load(asked["load"].pop("bundle"), **asked["load"])
    acts = acts_of(model, asked)
    rows = [acts[name](0).tolist() for name in asked["compared"]]  # type: ignore[attr-defined]
    answer({"version": twinlens.__version__, "about": model.about, "rows": rows})
    for line in sys.stdin:
        question = json.loads(line)
        act, first = acts[question["query"]], question["first"]
        wall_ms, cpu_ms = [], []
        for number in range(first, first + question["calls"]):
            cpu, wall = time.process_time(), time.perf_counter()
            act(number)
            wall_ms.append(1e3 * (time.perf_counter() - wall))
            cpu_ms.append(1e3 * (time.process_time() - cpu))
        answer({"wall_ms": wall_ms, "cpu_ms": cpu_ms})


if __name__ == "__main__":
    main()
