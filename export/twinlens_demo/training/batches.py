"""The batches: drawings, captions and targets, drawn one batch ahead."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from twinlens_demo.training.captions import Captions
from twinlens_demo.training.model import CONTEXT
from twinlens_demo.training.training_drawings import TrainingDrawings

BATCH = 256
TOKENS = 16
LONG_EVERY = 8
"""Every eighth batch holds long captions, so that the whole context is trained."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of B drawings and captions; C trained concepts."""

    images: Tensor
    """uint8 premultiplied RGBA [B, 4, H, W]."""
    flips: Tensor
    """[B]: True if the drawing may be mirrored."""
    ids: Tensor
    """Token ids [B, T]."""
    numbers: Tensor
    """Concept numbers of the drawings [B]."""
    targets: Tensor
    """Soft targets of the captions [B, C], rows summing to 1."""
    truths: Tensor
    """[B, C]: 1 if the caption is true of the concept, else 0."""


class BatchSampler:
    """Sampler of batches, one ahead in a thread of its own."""

    def __init__(
        self, drawings: TrainingDrawings, captions: Captions, tokenizer: Tokenizer, seed: int
    ) -> None:
        self._drawings, self._captions, self._tokenizer = drawings, captions, tokenizer
        self._random = np.random.default_rng(seed)
        self._queue: list[int] = []

    def batches(self, first: int) -> Iterator[Batch]:
        """Yield batches without end, from step `first` on."""
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
            self._queue = list(self._random.permutation(self._drawings.numbers))
        numbers, self._queue = self._queue[:BATCH], self._queue[BATCH:]
        long = step % LONG_EVERY == 0
        texts, targets, truths = self._captions.draw(numbers, self._random, long=long)
        images, flips = self._drawings.draw(numbers, self._random)
        return Batch(
            images=images,
            flips=flips,
            ids=encode(self._tokenizer, texts, CONTEXT if long else TOKENS),
            numbers=torch.tensor(numbers),
            targets=torch.from_numpy(targets),
            truths=torch.from_numpy(truths),
        )


def encode(tokenizer: Tokenizer, texts: Sequence[str], length: int) -> Tensor:
    """Encode texts to ids [B, length], truncated before the end token and padded with it."""
    end = tokenizer.get_vocab_size() - 1
    ids = torch.full((len(texts), length), end)
    for row, encoding in zip(ids, tokenizer.encode_batch(list(texts)), strict=True):
        kept = encoding.ids[:length]
        row[: len(kept)] = torch.tensor(kept)
        row[-1] = end
    return ids
