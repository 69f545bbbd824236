"""optimum's wrappers around onnxruntime and OpenVINO, for pictures only.

They export a CLIP as one graph of both towers that always computes both. A text of two tokens goes
with every batch of pictures, which costs next to nothing; a picture with every text would not be
fair. Each wants a transformers of its own, so an interpreter of its own. The graph is exported when
first opened.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from bench.harness.clip_pixels import scaled
from bench.harness.embeddings import batches, normalized
from bench.towers.contenders import Embed, Engine, Settings
from bench.towers.inputs.workspace import END, START, U8, Ids, Modality, Workspace

SHORTEST: Final = torch.tensor([[START, END]])


class Optimum(Engine):
    """Engine fed with tensors that are there already."""

    def __init__(self, model: Callable[..., Any]) -> None:
        self._model = model

    def images(self, pixels: U8) -> Embed:
        text = {"input_ids": SHORTEST, "attention_mask": torch.ones_like(SHORTEST)}
        ready = [torch.from_numpy(scaled(batch)) for batch in batches(pixels)]

        def rows(batch: torch.Tensor) -> torch.Tensor:
            return self._model(pixel_values=batch, **text).image_embeds

        return lambda: normalized(np.concatenate([rows(batch).numpy() for batch in ready]))

    def texts(self, rows: Sequence[Ids]) -> Embed:
        raise NotImplementedError(f"{len(rows)} texts would need as many pictures")


def by_onnxruntime(folder: Path, threads: int, **how: Any) -> Any:  # noqa: ANN401
    options = import_module("onnxruntime").SessionOptions()
    options.intra_op_num_threads = threads
    model = import_module("optimum.onnxruntime").ORTModelForZeroShotImageClassification
    return model.from_pretrained(folder, session_options=options, **how)


def by_openvino(folder: Path, threads: int, **how: Any) -> Any:  # noqa: ANN401
    model = import_module("optimum.intel").OVModelForZeroShotImageClassification
    return model.from_pretrained(folder, ov_config={"INFERENCE_NUM_THREADS": threads}, **how)


OPENERS: Final[Mapping[str, Callable[..., Any]]] = {"onnx": by_onnxruntime, "intel": by_openvino}


def open_engine(
    workspace: Workspace, _: Sequence[Modality], threads: int, settings: Settings
) -> Engine:
    opener = OPENERS[settings["library"]]
    saved = workspace.folder / f"optimum_{settings['library']}"
    if not saved.exists():
        opener(workspace.checkpoint, threads, export=True).save_pretrained(saved)
    return Optimum(opener(saved, threads))
