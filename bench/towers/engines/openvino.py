"""OpenVINO with either of its hints; for throughput, requests of the size that proves fastest."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import openvino

from bench.harness.clip_pixels import scaled
from bench.harness.embeddings import F32, batches, normalized
from bench.harness.timing import wall_ms
from bench.towers.contenders import Embed, Engine, FirstEmbeddings, Settings
from bench.towers.engines.plain_script import photo_pixels, text_ids
from bench.towers.inputs.workspace import MODALITIES, U8, Ids, Modality, Workspace, padded

SIZES: Final = (1, 2, 4, 8, 16, 32)
TRIALS: Final = 2
TRIED: Final = 64
"""Number of items that the size of a request is tried on."""


class SyncRequests(Engine):
    """Engine with the latency hint: one request after another."""

    def __init__(self, models: dict[Modality, openvino.CompiledModel]) -> None:
        self._bytes = {modality: takes_bytes(model) for modality, model in models.items()}
        self._requests = {
            modality: model.create_infer_request() for modality, model in models.items()
        }

    def images(self, pixels: U8) -> Embed:
        ready = pixels if self._bytes["image"] else scaled(pixels)
        return self._embed("image", [np.ascontiguousarray(batch) for batch in batches(ready)])

    def texts(self, rows: Sequence[Ids]) -> Embed:
        return self._embed("text", [padded(batch) for batch in batches(rows)])

    def _embed(self, modality: Modality, ready: Sequence[np.ndarray]) -> Embed:
        request = self._requests[modality]

        def run(batch: np.ndarray) -> F32:
            # share_inputs: no copy of what is contiguous already.
            return request.infer([batch], share_inputs=True)[0]

        return lambda: np.concatenate([run(batch) for batch in ready])


class AsyncQueue(Engine):
    """Engine with the throughput hint: a queue of as many requests as OpenVINO finds best."""

    def __init__(self, models: dict[Modality, openvino.CompiledModel]) -> None:
        self._bytes = {modality: takes_bytes(model) for modality, model in models.items()}
        self._widths = {
            modality: model.outputs[0].partial_shape[1].get_length()
            for modality, model in models.items()
        }
        self._queues = {
            modality: openvino.AsyncInferQueue(model) for modality, model in models.items()
        }

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

    def _embed(self, modality: Modality, ready: Sequence[np.ndarray]) -> Embed:
        queue, width = self._queues[modality], self._widths[modality]
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
    """Return the size of requests with which the work takes the least time."""

    def best_ms(size: int) -> float:
        return min(wall_ms(made(size), TRIALS, warm_up=1))

    return min(SIZES, key=best_ms)


def takes_bytes(model: openvino.CompiledModel) -> bool:
    return model.inputs[0].get_element_type() == openvino.Type.u8


def compiled(
    workspace: Workspace, modality: Modality, threads: int, settings: Settings
) -> openvino.CompiledModel:
    chosen = {"PERFORMANCE_HINT": settings["hint"], "INFERENCE_NUM_THREADS": threads}
    if settings["rest"] == "f32":
        # By itself it takes bf16 for what is not int8, on a processor that has it.
        chosen["INFERENCE_PRECISION_HINT"] = "f32"
    if settings["cached"]:
        chosen["CACHE_DIR"] = str(workspace.folder / "openvino_cache")
    return openvino.Core().compile_model(workspace.graph(settings["kind"], modality), "CPU", chosen)


def open_engine(
    workspace: Workspace, modalities: Sequence[Modality], threads: int, settings: Settings
) -> Engine:
    models = {modality: compiled(workspace, modality, threads, settings) for modality in modalities}
    return SyncRequests(models) if settings["hint"] == "LATENCY" else AsyncQueue(models)


def first_embeddings(workspace: Workspace, threads: int, settings: Settings) -> FirstEmbeddings:
    image, text = (compiled(workspace, modality, threads, settings) for modality in MODALITIES)
    pixels = photo_pixels(workspace)
    row = image([pixels if takes_bytes(image) else scaled(pixels)])[0][0]
    words = text([text_ids(workspace)])[0][0]
    return FirstEmbeddings(image=normalized(row), text=normalized(words), held=(image, text))
