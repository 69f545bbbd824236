"""OpenVINO with either of its hints; for throughput, requests of the size that proves fastest."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import openvino

from bench.towers.contenders import Embed, Engine, FirstRows, Settings
from bench.towers.engines.batches import batches
from bench.towers.engines.plain_script import photo_pixels, text_ids, unit_row
from bench.towers.inputs.workspace import F32, SIDES, U8, Ground, Ids, Side, padded, scaled

SIZES: Final = (1, 2, 4, 8, 16, 32)
TRIALS: Final = 2
TRIED: Final = 64
"""Items that the size of a request is tried on."""


class Waiting(Engine):
    """The latency hint: one request after another."""

    def __init__(self, models: dict[Side, openvino.CompiledModel]) -> None:
        self._bytes = {side: takes_bytes(model) for side, model in models.items()}
        self._requests = {side: model.create_infer_request() for side, model in models.items()}

    def images(self, pixels: U8) -> Embed:
        ready = pixels if self._bytes["image"] else scaled(pixels)
        return self._embed("image", [np.ascontiguousarray(batch) for batch in batches(ready)])

    def texts(self, rows: Sequence[Ids]) -> Embed:
        return self._embed("text", [padded(batch) for batch in batches(rows)])

    def _embed(self, side: Side, ready: Sequence[np.ndarray]) -> Embed:
        request = self._requests[side]

        def run(batch: np.ndarray) -> F32:
            # share_inputs: no copy of what is contiguous already.
            return request.infer([batch], share_inputs=True)[0]

        return lambda: np.concatenate([run(batch) for batch in ready])


class Queued(Engine):
    """The throughput hint: a queue of as many requests as OpenVINO finds best."""

    def __init__(self, models: dict[Side, openvino.CompiledModel]) -> None:
        self._bytes = {side: takes_bytes(model) for side, model in models.items()}
        self._widths = {
            side: model.outputs[0].partial_shape[1].get_length() for side, model in models.items()
        }
        self._queues = {side: openvino.AsyncInferQueue(model) for side, model in models.items()}

    def images(self, pixels: U8) -> Embed:
        ready = pixels if self._bytes["image"] else scaled(pixels)

        def cut(count: int, size: int) -> Embed:
            requests = batches(ready[:count], size)
            return self._embed("image", [np.ascontiguousarray(batch) for batch in requests])

        return cut(len(ready), fastest(lambda size: cut(TRIED, size)))

    def texts(self, rows: Sequence[Ids]) -> Embed:
        def cut(count: int, size: int) -> Embed:
            return self._embed("text", [padded(batch) for batch in batches(rows[:count], size)])

        return cut(len(rows), fastest(lambda size: cut(TRIED, size)))

    def _embed(self, side: Side, ready: Sequence[np.ndarray]) -> Embed:
        queue, width = self._queues[side], self._widths[side]
        starts = np.cumsum([0, *map(len, ready)])

        def embed() -> F32:
            rows = np.empty((starts[-1], width), dtype=np.float32)

            def keep(request: openvino.InferRequest, place: int) -> None:
                rows[starts[place] : starts[place + 1]] = request.get_output_tensor(0).data

            queue.set_callback(keep)
            for place, batch in enumerate(ready):
                queue.start_async([batch], place, share_inputs=True)
            queue.wait_all()
            return rows

        return embed


def fastest(made: Callable[[int], Embed]) -> int:
    """The size of requests with which the work takes the least time."""

    def seconds(size: int) -> float:
        embed = made(size)
        embed()
        spent = []
        for _ in range(TRIALS):
            begun = time.perf_counter()
            embed()
            spent.append(time.perf_counter() - begun)
        return min(spent)

    return min(SIZES, key=seconds)


def takes_bytes(model: openvino.CompiledModel) -> bool:
    return model.inputs[0].get_element_type() == openvino.Type.u8


def compiled(
    ground: Ground, side: Side, threads: int, settings: Settings
) -> openvino.CompiledModel:
    chosen = {"PERFORMANCE_HINT": settings["hint"], "INFERENCE_NUM_THREADS": threads}
    if settings["rest"] == "f32":
        # By itself it takes bf16 for what is not int8, on a processor that has it.
        chosen["INFERENCE_PRECISION_HINT"] = "f32"
    if settings["cached"]:
        chosen["CACHE_DIR"] = str(ground.folder / "openvino_cache")
    return openvino.Core().compile_model(ground.graph(settings["kind"], side), "CPU", chosen)


def open_engine(ground: Ground, sides: Sequence[Side], threads: int, settings: Settings) -> Engine:
    models = {side: compiled(ground, side, threads, settings) for side in sides}
    return Waiting(models) if settings["hint"] == "LATENCY" else Queued(models)


def first_rows(ground: Ground, threads: int, settings: Settings) -> FirstRows:
    image, text = (compiled(ground, side, threads, settings) for side in SIDES)
    pixels = photo_pixels(ground)
    row = image([pixels if takes_bytes(image) else scaled(pixels)])[0][0]
    words = text([text_ids(ground)])[0][0]
    return FirstRows(image=unit_row(row), text=unit_row(words), held=(image, text))
