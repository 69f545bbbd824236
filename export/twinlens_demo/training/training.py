"""The training loop, with prototypes of concepts and with image-text contrast; resumable."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from twinlens.demo.samples import CLASS_TEMPLATES, CLASSES
from twinlens_demo import metrics
from twinlens_demo.concepts import Concept
from twinlens_demo.drawings.drawing_set import identical_drawings, read_drawing_set
from twinlens_demo.training.augment import augment, on_white
from twinlens_demo.training.batches import Batch, BatchSampler, encode
from twinlens_demo.training.captions import Captions
from twinlens_demo.training.learner import Learner, optimizers
from twinlens_demo.training.model import CONTEXT, save
from twinlens_demo.training.schedule import RATE, rate, side_at
from twinlens_demo.training.training_drawings import TrainingDrawings, channels_first

F32 = NDArray[np.float32]

AVERAGING = 0.999
"""Decay of the moving average of the weights."""
SAVE_EVERY = 250
EVALUATE_EVERY = 1000
MOST_STEP_S = 3.0
"""Longest time that counts for one step: a pause of the whole process is not training time."""


class Training:
    """A training that can be stopped at any step and resumed."""

    def __init__(
        self,
        *,
        concepts: Sequence[Concept],
        drawings: Path,
        modules: Path,
        tokenizer: Path,
        out: Path,
    ) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._concepts, self._folder, self._out = concepts, drawings, out
        captions = Captions(concepts, modules, drawings / "teacher.npz")
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._drawings = TrainingDrawings(drawings, concepts)
        self._learner = Learner(captions.anchors)
        self._average = {k: v.clone() for k, v in self._learner.clip.state_dict().items()}
        self._optimizers = optimizers(self._learner)
        self._step, self._spent_s = 0, 0.0
        self._resume()
        self._sampler = BatchSampler(self._drawings, captions, self._tokenizer, seed=self._step)
        self._images = _compiled(self._learner.embed_images)
        self._texts = _compiled(self._learner.embed_texts)

    def run(self, minutes: float) -> None:
        """Train until `minutes` have been spent in all runs together."""
        side = 0
        random = torch.Generator().manual_seed(self._step)
        sums: dict[str, float] = {}
        for batch in self._sampler.batches(self._step):
            progress = self._spent_s / (60 * minutes)
            if progress >= 1:
                break
            begun = time.monotonic()
            if side != side_at(progress):
                side = side_at(progress)
                self._drawings.shrink(round(side * 1.15))
                continue
            losses = self._learn(batch, side, rate(progress), random)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value)
            self._step += 1
            self._spent_s += min(time.monotonic() - begun, MOST_STEP_S)
            if self._step % SAVE_EVERY == 0:
                self._log({name: value / SAVE_EVERY for name, value in sums.items()}, side)
                sums = {}
                self._save()
            if self._step % EVALUATE_EVERY == 0:
                self._log(self.evaluate(side), side)
        self._save()
        self._log(self.evaluate(side_at(1.0)), side_at(1.0))
        self._learner.clip.load_state_dict(self._average)
        save(self._learner.clip, self._out / "checkpoint")

    def _learn(
        self, batch: Batch, side: int, share: float, random: torch.Generator
    ) -> dict[str, Tensor]:
        pixels = augment(batch.images, batch.flips, side, random)
        with torch.autocast("cpu", torch.bfloat16):
            images, texts = self._images(pixels), self._texts(batch.ids)
        losses = self._learner.loss(images, texts, batch)
        (losses["naming"] + 0.5 * losses["meaning"] + 0.5 * losses["contrast"]).backward()
        nn.utils.clip_grad_norm_(self._learner.parameters(), 1.0)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = RATE * share
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            weight = 1 - min(AVERAGING, self._step / (self._step + 10))
            for name, value in self._learner.clip.state_dict().items():
                if value.is_floating_point():
                    self._average[name].lerp_(value, weight)
        return {name: value.detach() for name, value in losses.items()}

    @torch.inference_mode()
    def evaluate(self, side: int) -> dict[str, float]:
        """Evaluate the averaged weights on the development set, by the concepts' first names."""
        kept = {k: v.clone() for k, v in self._learner.clip.state_dict().items()}
        self._learner.clip.load_state_dict(self._average)
        drawn = read_drawing_set(self._folder, "openmoji")
        concepts = [self._concepts[row] for row in drawn.rows]
        pixels = channels_first(drawn.pixels)
        images = torch.cat(
            [self._learner.embed_images(on_white(part, side)) for part in pixels.split(256)]
        ).numpy()
        texts = self._embed([concept.names[0] for concept in concepts])
        classes = np.stack(
            [
                self._embed([t.format(name) for t in CLASS_TEMPLATES]).mean(axis=0)
                for name in CLASSES
            ]
        )
        self._learner.clip.load_state_dict(kept)
        relevant = identical_drawings(pixels.numpy())
        scores = texts @ images.T
        trained = np.array([not concept.held_out for concept in concepts])
        found = metrics.recall(scores, relevant)
        return {
            "dev t2i@1": found.at_1,
            "dev t2i@10": found.at_10,
            "dev trained t2i@1": metrics.recall(scores[trained], relevant[trained]).at_1,
            "dev i2t@1": metrics.recall(scores.T, relevant).at_1,
            "dev five classes": metrics.zero_shot(images, concepts, classes),
        }

    def _embed(self, texts: Sequence[str]) -> F32:
        ids = encode(self._tokenizer, texts, CONTEXT)
        rows: F32 = self._learner.embed_texts(ids).numpy()
        return rows

    def _log(self, figures: dict[str, float], side: int) -> None:
        row = {"step": self._step, "minutes": round(self._spent_s / 60, 1), "side": side}
        line = json.dumps(row | {name: round(value, 3) for name, value in figures.items()})
        with (self._out / "log.jsonl").open("a") as log:
            log.write(line + "\n")
        print(line, flush=True)

    def _save(self) -> None:
        state: dict[str, Any] = {
            "learner": self._learner.state_dict(),
            "average": self._average,
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "step": self._step,
            "spent_s": self._spent_s,
        }
        torch.save(state, self._out / "state.tmp")
        (self._out / "state.tmp").replace(self._out / "state.pt")

    def _resume(self) -> None:
        file = self._out / "state.pt"
        if not file.exists():
            return
        state = torch.load(file, weights_only=True)
        self._learner.load_state_dict(state["learner"])
        self._average = state["average"]
        for optimizer, kept in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self._step, self._spent_s = state["step"], state["spent_s"]


def _compiled(act: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    compiled: Callable[[Tensor], Tensor] = torch.compile(act, dynamic=False)
    return compiled
