"""Process of the towers alone, without any service: what a service is measured by.

python -m bench.serving.towers_alone BUNDLE ITEMS
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import twinlens
from bench.harness.answers import claim_stdout
from bench.harness.timing import wall_ms
from bench.serving.inputs.items import Items

Facts = dict[str, Any]
F32 = NDArray[np.float32]

THREADS: Final = 2
TEXTS: Final = 16
IMAGES: Final = 4


class TowersAlone:
    """Towers opened for one thread a call, as the service has them."""

    def __init__(self, bundle: Path, items: Items) -> None:
        self._items = items
        self._model = twinlens.load(bundle, device="cpu", threads=1)
        self._tokens = [self._model.tokenize([text]) for text in items.captions]
        self._pixels = [self._model.preprocess(one)[None] for one in items.pictures]
        self._model.warm_up()

    def answer(self, question: Mapping[str, Any]) -> Facts:
        match question["do"]:
            case "caption":
                return self.caption(question["count"], question["pause_s"])
            case "offline":
                return self.offline(question["seconds"])
        raise ValueError(f"no such question: {question}")

    def caption(self, count: int, pause_s: float) -> Facts:
        """Return the ms of each run of the text tower, of ids that are ready."""
        times, cpu = [], time.process_time()
        for number in range(count):
            time.sleep(pause_s)
            tokens = self._tokens[number % len(self._tokens)]
            begun = time.perf_counter()
            self._model.embed_tokens(tokens)
            times.append(round(1e3 * (time.perf_counter() - begun), 3))
        return {"times_ms": times, "cpu_s": time.process_time() - cpu}

    def offline(self, seconds: float) -> Facts:
        """Return items a second of all cores, and the ms of one item on one thread."""
        cpu = time.process_time()
        texts, pictures = self._items.captions, self._items.pictures
        parts = [texts[start : start + TEXTS] for start in range(0, len(texts), TEXTS)]
        piles = [pictures[start : start + IMAGES] for start in range(0, len(pictures), IMAGES)]
        found = {
            "texts_a_second": rate(self._texts, parts, seconds),
            "images_a_second": rate(self._images, piles, seconds),
            "text_ms": median(lambda: self._model.embed_tokens(self._tokens[0])),
            "image_tower_ms": median(lambda: self._model.embed_pixels(self._pixels[0])),
            "image_ms": median(lambda: self._images(pictures[:1])),
        }
        return found | {"cpu_s": time.process_time() - cpu}

    def _texts(self, texts: Sequence[str]) -> F32:
        return self._model.embed_tokens(self._model.tokenize(texts, on_cut="ignore"))

    def _images(self, encoded: Sequence[bytes]) -> F32:
        pixels = np.stack([self._model.preprocess(one) for one in encoded])
        return self._model.embed_pixels(pixels)


def rate(embed: Callable[[Any], Any], parts: Sequence[Sequence[Any]], seconds: float) -> float:
    """Return items a second of THREADS callers, each with a batch of its own."""
    for part in parts[:2]:
        embed(part)
    stop = time.perf_counter() + seconds

    def caller(number: int) -> int:
        done = 0
        while time.perf_counter() < stop:
            part = parts[number % len(parts)]
            embed(part)
            done += len(part)
            number += THREADS
        return done

    begun = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        items = sum(pool.map(caller, range(THREADS)))
    return round(items / (time.perf_counter() - begun), 2)


def median(act: Callable[[], Any]) -> float:
    return round(float(np.median(wall_ms(act, 30, warm_up=3))), 3)


def main() -> None:
    answer = claim_stdout()
    bundle, items = sys.argv[1:]
    alone = TowersAlone(Path(bundle), Items.read(Path(items)))
    answer({})
    for line in sys.stdin:
        answer(alone.answer(json.loads(line)))


if __name__ == "__main__":
    main()
