"""One side in a process of its own: from nothing to all answers, told in lines of JSON.

    python -m bench.autogluon.worker SIDE INPUTS CHECKPOINT

SIDE is "autogluon" (CHECKPOINT: a folder saved by transformers), or "twinlens" (its bundle).
"""

import importlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from bench.harness.answers import claim_stdout
from bench.harness.memory import memory_mb

IMAGES: Final = 600
TEXTS: Final = 1000
PAIRS: Final = 500
ENOUGH_S: Final = 8.0
"""Time after which an act is not repeated."""
REPEATS: Final = 3


class Side(Protocol):
    """Package that is measured."""

    def embed_images(self, paths: Sequence[str]) -> object: ...
    def embed_texts(self, texts: Sequence[str]) -> object: ...
    def match(self, paths: Sequence[str], texts: Sequence[str]) -> list[float]: ...
    def probabilities(self, paths: Sequence[str], texts: Sequence[str]) -> dict[str, list[float]]:
        """Return the probabilities that pairs match, by each way they are told."""


class AutoGluon:
    """MultiModalPredictor on a local checkpoint, without a network."""

    def __init__(self, checkpoint: str) -> None:
        from bench.input.torchvision_stub import import_torchvision  # noqa: PLC0415

        import_torchvision()
        predictor = importlib.import_module("autogluon.multimodal").MultiModalPredictor
        self._predictor = predictor(
            query="image",
            response="text",
            problem_type="image_text_similarity",
            verbosity=0,
            hyperparameters={
                "model.clip.checkpoint_name": checkpoint,
                "env.num_gpus": 0,
                "env.num_workers_inference": 0,
            },
        )

    def embed_images(self, paths: Sequence[str]) -> object:
        return self._predictor.extract_embedding({"image": list(paths)})

    def embed_texts(self, texts: Sequence[str]) -> object:
        return self._predictor.extract_embedding({"text": list(texts)})

    def match(self, paths: Sequence[str], texts: Sequence[str]) -> list[float]:
        pandas = importlib.import_module("pandas")
        pairs = pandas.DataFrame({"image": list(paths), "text": list(texts)})
        found: list[float] = self._predictor.predict_proba(pairs)[1].tolist()
        return found

    def probabilities(self, paths: Sequence[str], texts: Sequence[str]) -> dict[str, list[float]]:
        return {"(1 + cosine) / 2": self.match(paths, texts)}


class Twinlens:
    """A bundle, with the curves that it carries, one at least."""

    def __init__(self, bundle: str) -> None:
        self._model = importlib.import_module("twinlens").load(bundle, device="cpu")
        has = [one.level for one in self._model._matcher._calibrations]
        self._levels = list(dict.fromkeys(has))

    def embed_images(self, paths: Sequence[str]) -> object:
        return self._model.embed_images(paths)

    def embed_texts(self, texts: Sequence[str]) -> object:
        return self._model.embed_texts(texts)

    def match(self, paths: Sequence[str], texts: Sequence[str]) -> list[float]:
        found: list[float] = self._model.match(
            list(paths), list(texts), level=self._levels[0]
        ).tolist()
        return found

    def probabilities(self, paths: Sequence[str], texts: Sequence[str]) -> dict[str, list[float]]:
        return {
            level: self._model.match(list(paths), list(texts), level=level).tolist()
            for level in self._levels
        }


def seconds(name: str, act: Callable[[], object]) -> dict[str, float]:
    """Return the shortest time of a few, or of one that is long, by the clock and of the CPUs."""
    clock: list[float] = []
    cpus: list[float] = []
    while len(clock) < REPEATS and sum(clock) < ENOUGH_S:
        begun, used = time.perf_counter(), time.process_time()
        act()
        clock.append(time.perf_counter() - begun)
        cpus.append(time.process_time() - used)
    return {f"{name}_s": min(clock), f"{name}_cpu_s": min(cpus)}


def main() -> None:
    name, folder, place = sys.argv[1:]
    answer = claim_stdout()
    from bench.autogluon.items import Items  # noqa: PLC0415  its import is part of no start

    items = Items.read(Path(folder))
    side: Side = {"autogluon": AutoGluon, "twinlens": Twinlens}[name](place)
    side.match(items.images[:1], items.texts[:1])
    started = {"first_pair_cpu_s": time.process_time(), "resident_mb": round(memory_mb("VmRSS"))}
    answer(started)
    images, texts = items.images[:IMAGES], items.texts[:TEXTS]
    pairs = items.images[:PAIRS], items.texts[:PAIRS]
    facts = {
        **seconds("images", lambda: side.embed_images(images)),
        **seconds("texts", lambda: side.embed_texts(texts)),
        **seconds("pairs", lambda: side.match(*pairs)),
    }
    facts |= {"peak_mb": round(memory_mb("VmHWM"))}
    told = {}
    if items.judged:
        images, texts, wrong = (
            [column[place] for place in items.judged]
            for column in (items.images, items.texts, items.wrong)
        )
        told = side.probabilities(images * 2, texts + wrong)
    answer({**facts, "probabilities": told})


if __name__ == "__main__":
    main()
