"""The training: image and text tower against one prototype a concept, and against each other."""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from twinlens.demo.samples import CLASS_TEMPLATES, CLASSES
from twinlens_demo import evaluate
from twinlens_demo.album import Album, read_set
from twinlens_demo.augment import augment, on_white
from twinlens_demo.captions import Captions
from twinlens_demo.concepts import Concept
from twinlens_demo.model import CONTEXT, WIDTH, new_model, save

F32 = NDArray[np.float32]

BATCH = 256
TOKENS = 16
LONG_EVERY = 8
"""Every eighth batch holds long captions, so that the whole context is trained."""

RATE = 2e-3
WARM_UP = 0.01
COOL_DOWN = 0.35
"""Share of the training in which the rate falls linearly to zero."""
WEIGHT_DECAY = 0.05
SMOOTHING = 0.05
AVERAGING = 0.999

# (share of the training at which it ends, side in pixels): small pictures first, at half the cost.
SIDES = ((0.25, 32), (0.65, 48), (1.01, 64))
SAVE_EVERY = 250
LOOK_EVERY = 1000


@dataclass(frozen=True, slots=True)
class Batch:
    """One drawn batch."""

    images: Tensor
    flips: Tensor
    ids: Tensor
    numbers: Tensor
    targets: Tensor
    truths: Tensor


class Learner(nn.Module):
    """The CLIP model, and one prototype a trained concept, which is dropped afterwards."""

    def __init__(self, anchors: F32) -> None:
        super().__init__()
        self.clip = new_model()
        self.clip.set_attn_implementation("eager")  # bmm beats the fused kernel at 17 to 65 tokens
        basis = np.linalg.svd(anchors - anchors.mean(axis=0), full_matrices=False)[2][:WIDTH]
        start = (anchors - anchors.mean(axis=0)) @ basis.T
        self.prototypes = nn.Parameter(functional.normalize(torch.from_numpy(start), dim=-1))
        self.image_scale = nn.Parameter(torch.tensor(math.log(16.0)))
        self.text_scale = nn.Parameter(torch.tensor(math.log(16.0)))

    def embed_images(self, pixels: Tensor) -> Tensor:
        """Unit rows [B, D] of normalised pixels [B, 3, S, S], S any multiple of the patch."""
        pooled = self.clip.vision_model(pixel_values=pixels, interpolate_pos_encoding=True)
        rows = self.clip.visual_projection(pooled.pooler_output)
        return functional.normalize(rows.float(), dim=-1)

    def embed_texts(self, ids: Tensor) -> Tensor:
        """Unit rows [B, D] of ids [B, T]."""
        pooled = self.clip.text_model(input_ids=ids)
        rows = self.clip.text_projection(pooled.pooler_output)
        return functional.normalize(rows.float(), dim=-1)

    def loss(self, images: Tensor, texts: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The three losses of one batch, and the share of pictures named right."""
        prototypes = functional.normalize(self.prototypes, dim=-1)
        by_image = self.image_scale.exp().clamp(max=60) * images @ prototypes.T
        by_text = self.text_scale.exp().clamp(max=60) * texts @ prototypes.T
        naming = functional.cross_entropy(by_image, batch.numbers, label_smoothing=SMOOTHING)
        meaning = functional.cross_entropy(by_text, batch.targets)
        between = self.clip.logit_scale.exp().clamp(max=100) * texts @ images.T
        right = batch.truths[:, batch.numbers]
        contrast = 0.5 * (_multi(between, right) + _multi(between.T, right.T))
        hits = (by_image.argmax(dim=1) == batch.numbers).float().mean()
        return {"naming": naming, "meaning": meaning, "contrast": contrast, "hits": hits}


def _multi(logits: Tensor, right: Tensor) -> Tensor:
    """Cross-entropy of rows that may have several right answers; rows without one do not count."""
    counts = right.sum(dim=1)
    kept = counts > 0
    return functional.cross_entropy(logits[kept], right[kept] / counts[kept, None])


class Feed:
    """Draws batches, one ahead in a thread of its own."""

    def __init__(self, album: Album, captions: Captions, tokenizer: Tokenizer, seed: int) -> None:
        self._album, self._captions, self._tokenizer = album, captions, tokenizer
        self._random = np.random.default_rng(seed)
        self._queue: list[int] = []

    def batches(self, first: int) -> Iterator[Batch]:
        """Batches without end, from that step on."""
        with ThreadPoolExecutor(1) as pool:
            step = first
            ahead = pool.submit(self._draw, step)
            while True:
                batch = ahead.result()
                step += 1
                ahead = pool.submit(self._draw, step)
                yield batch

    def _draw(self, step: int) -> Batch:
        if len(self._queue) < BATCH:
            self._queue = list(self._random.permutation(self._album.numbers))
        numbers, self._queue = self._queue[:BATCH], self._queue[BATCH:]
        long = step % LONG_EVERY == 0
        texts, targets, truths = self._captions.draw(numbers, self._random, long=long)
        images, flips = self._album.draw(numbers, self._random)
        return Batch(
            images=images,
            flips=flips,
            ids=encode(self._tokenizer, texts, CONTEXT if long else TOKENS),
            numbers=torch.tensor(numbers),
            targets=torch.from_numpy(targets),
            truths=torch.from_numpy(truths),
        )


def encode(tokenizer: Tokenizer, texts: Sequence[str], length: int) -> Tensor:
    """Ids [B, length], cut so that the end token stays, padded with it."""
    end = tokenizer.get_vocab_size() - 1
    ids = torch.full((len(texts), length), end)
    for row, encoding in zip(ids, tokenizer.encode_batch(list(texts)), strict=True):
        kept = encoding.ids[:length]
        row[: len(kept)] = torch.tensor(kept)
        row[-1] = end
    return ids


def optimizers(learner: Learner) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for everything else."""
    inner: list[nn.Parameter] = []
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in learner.named_parameters():
        if "encoder.layers" in name and parameter.ndim == 2:
            inner.append(parameter)
        elif parameter.ndim >= 2 and "embedding" not in name:
            matrices.append(parameter)
        else:
            rest.append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": WEIGHT_DECAY},
        {"params": rest},
    ]
    return [
        torch.optim.Muon(inner, lr=RATE, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(
            groups,
            lr=RATE,
            betas=(0.9, 0.98),
            eps=1e-6,
            weight_decay=0.0,
            fused=True,
        ),
    ]


def rate(progress: float) -> float:
    """Warm up, hold, then fall linearly to zero."""
    return min(1.0, progress / WARM_UP, (1 - progress) / COOL_DOWN)


def side_at(progress: float) -> int:
    """Side in pixels of the pictures at that share of the training."""
    return next(side for end, side in SIDES if progress < end)


class Training:
    """A training that can be stopped at any step and taken up again."""

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
        self._concepts, self._drawings, self._out = concepts, drawings, out
        captions = Captions(concepts, modules, drawings / "teacher.npz")
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._album = Album(drawings, concepts)
        self._learner = Learner(captions.anchors)
        self._average = {k: v.clone() for k, v in self._learner.clip.state_dict().items()}
        self._optimizers = optimizers(self._learner)
        self._step, self._spent_s = 0, 0.0
        self._resume()
        self._feed = Feed(self._album, captions, self._tokenizer, seed=self._step)
        self._images = _compiled(self._learner.embed_images)
        self._texts = _compiled(self._learner.embed_texts)

    def run(self, minutes: float) -> None:
        """Train until so many minutes have been spent in all, over every run."""
        side = 0
        random = torch.Generator().manual_seed(self._step)
        sums: dict[str, float] = {}
        for batch in self._feed.batches(self._step):
            progress = self._spent_s / (60 * minutes)
            if progress >= 1:
                break
            begun = time.monotonic()
            if side != side_at(progress):
                side = side_at(progress)
                self._album.shrink(round(side * 1.15))
                continue
            losses = self._learn(batch, side, rate(progress), random)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value)
            self._step += 1
            # A pause of the whole process is not training time.
            self._spent_s += min(time.monotonic() - begun, 3.0)
            if self._step % SAVE_EVERY == 0:
                self._note({name: value / SAVE_EVERY for name, value in sums.items()}, side)
                sums = {}
                self._save()
            if self._step % LOOK_EVERY == 0:
                self._note(self.look(side), side)
        self._save()
        self._note(self.look(side_at(1.0)), side_at(1.0))
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
    def look(self, side: int) -> dict[str, float]:
        """The averaged weights on the development set; the text of a concept is its first name."""
        kept = {k: v.clone() for k, v in self._learner.clip.state_dict().items()}
        self._learner.clip.load_state_dict(self._average)
        rows, pixels = read_set(self._drawings, "openmoji")
        concepts = [self._concepts[row] for row in rows]
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
        right = evaluate.same_drawings(pixels.numpy())
        scores = texts @ images.T
        found = evaluate.recall(scores, right)
        trained = np.array([not concept.held_out for concept in concepts])
        own = evaluate.recall(scores[trained], right[trained])
        back = evaluate.recall(scores.T, right)
        return {
            "dev t2i@1": found.at_1,
            "dev t2i@10": found.at_10,
            "dev trained t2i@1": own.at_1,
            "dev i2t@1": back.at_1,
            "dev five classes": evaluate.zero_shot(images, concepts, classes),
        }

    def _embed(self, texts: Sequence[str]) -> F32:
        ids = encode(self._tokenizer, texts, CONTEXT)
        rows: F32 = self._learner.embed_texts(ids).numpy()
        return rows

    def _note(self, figures: dict[str, float], side: int) -> None:
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
