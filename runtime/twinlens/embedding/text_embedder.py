"""Texts to embeddings: each distinct text once, in batches of similar length."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.embedding.prefetch import prefetch
from twinlens.embedding.tower import Embed, Embedder
from twinlens.errors import TextError, quoted
from twinlens.ort.cancellation import Cancellation
from twinlens.ort.io_binding import OnDevice
from twinlens.ort.memory.freed_memory import give_back
from twinlens.progress import progress_bar
from twinlens.texts.tokenizer import OnCut, Tokenizer
from twinlens.texts.tokens import Tokens

F32 = NDArray[np.float32]
Ids = tuple[int, ...]

TEXTS_A_THREAD: Final = 16
"""Batch of one thread. Of captions on two threads (int8 ViT-B/32), batches of 4, 8, 16, 32 and 64
take 1.02, 0.96, 0.89, 0.95 and 1.10 ms a text; 64 on both threads together 1.10."""
TEXTS_AT_ONCE: Final = 64
"""Batch of a tower that has all threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEmbedder:
    """Tokenizer and text tower, with the threads that they share."""

    tokenizer: Tokenizer
    key: str
    """Key that its tokens bear."""
    tower: Embedder
    threads: int
    """CPU threads in all."""
    on_cpu: bool
    """True if the tower computes on these threads too; False if on a device of its own."""
    low_memory: bool = False
    """True if nothing is kept between two calls."""

    def run(
        self, texts: Sequence[str], *, width: int, on_cut: OnCut, progress: bool, first: int = 0
    ) -> F32:
        """Return the embeddings [B, D] of texts, in their order.

        Neither repetition nor padding costs anything: each distinct text is embedded once, sorted
        by length. On a CPU, lengths are not rounded up to fewer shapes: multiples of 4 would cost
        a fifth. Messages count the texts from `first`.
        """
        ids = [
            tuple(row) for row in self.tokenizer.encode_ragged(texts, on_cut=on_cut, first=first)
        ]
        once = sorted(set(ids), key=len)
        with progress_bar(progress, total=len(once), unit="text") as update:
            rows = _in_order(self._parts(once), once, ids, width=width, update=update)
        self._rest()
        return rows

    def tokenize(self, texts: Sequence[str], *, on_cut: OnCut) -> Tokens:
        """Return the tokens of texts, on the calling thread."""
        rows, cut = self.tokenizer.encode_marked(texts, on_cut=on_cut)
        return Tokens(rows=tuple(map(tuple, rows)), cut=tuple(cut), tokenizer=self.key)

    def run_tokens(self, tokens: Tokens, *, width: int, cancel: Cancellation | None) -> F32:
        """Return the embeddings [B, D] of tokens, by the session that has all threads.

        Raises:
            RunCancelledError: it was cancelled.
            TextError: they are of another tokenizer, or no text has such tokens.
        """
        if not isinstance(tokens, Tokens):
            raise TextError(
                f"tokens are a {type(tokens).__name__}, wanted the Tokens of Model.tokenize"
            )
        if tokens.tokenizer != self.key:
            raise TextError(
                f"these tokens are of the tokenizer {quoted(tokens.tokenizer[:12])}, this model "
                f"has {self.key[:12]}, and their ids mean other words; tokenize by this model"
            )
        self.tokenizer.require_ids(tokens.rows)
        once = sorted(set(tokens.rows), key=len)
        work = self._on(partial(self.tower.embed, cancel=cancel))
        found = map(work, _batches(once, self.tower.largest_batch or TEXTS_AT_ONCE))
        rows = _in_order(found, once, tokens.rows, width=width)
        self._rest()
        return rows

    def run_on_device(self, texts: Sequence[str], *, on_cut: OnCut) -> OnDevice:
        """Embed all texts as one batch and leave the rows [B, D] on the device."""
        rows = self.tokenizer.encode_ragged(texts, on_cut=on_cut)
        return self.tower.embed_on_device(self.tokenizer.pack(rows))

    def _rest(self) -> None:
        if self.low_memory:
            give_back()

    def _parts(self, once: Sequence[Ids]) -> Iterator[F32]:
        if not self.on_cpu or len(once) < TEXTS_A_THREAD * self.threads:
            yield from self._large(_batches(once, self.tower.largest_batch or TEXTS_AT_ONCE))
            return
        work = self._on(self.tower.single_threaded())
        batches = _batches(once, TEXTS_A_THREAD)
        if self.threads == 1:
            yield from map(work, batches)
            return
        with closing(
            prefetch(work, batches, threads=self.threads, waiting=3 * self.threads)
        ) as found:
            yield from found

    def _large(self, batches: Iterator[Sequence[Ids]]) -> Iterator[F32]:
        work, lanes = self._on(self.tower.embed), self.tower.lanes
        if lanes == 1:
            yield from map(work, batches)
            return
        with closing(prefetch(work, batches, threads=lanes, waiting=lanes + 1)) as found:
            yield from found

    def _on(self, embed: Embed) -> Callable[[Sequence[Ids]], F32]:
        return lambda batch: embed(self.tokenizer.pack(batch, multiple=self.tower.length_multiple))


def _in_order(
    found: Iterable[F32],
    once: Sequence[Ids],
    ids: Sequence[Ids],
    *,
    width: int,
    update: Callable[[int], object] = lambda _: None,
) -> F32:
    """Return the rows [B, D] of texts, of which the distinct ones are found in another order."""
    rows = np.empty((len(once), width), dtype=np.float32)
    start = 0
    for part in found:
        rows[start : start + len(part)] = part
        start += len(part)
        update(len(part))
    place = {row: number for number, row in enumerate(once)}
    return rows[[place[row] for row in ids]]


def _batches(rows: Sequence[Ids], size: int) -> Iterator[Sequence[Ids]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
