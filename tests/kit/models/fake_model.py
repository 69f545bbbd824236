"""A model without towers: rows that tell their input, gates that hold runs, and set failures."""

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import ImageError, RunCancelledError
from twinlens.ort.cancellation import Cancellation
from twinlens.texts.tokens import Tokens

F32 = NDArray[np.float32]
PATIENCE_S = 20.0


class FakeModel:
    """Embeds a text as its length, and an image, given as bytes, as its first byte, in 2 columns.

    Runs wait for `gate`, and tell `entered` that they do. A text or an image that begins with a
    name of `failures` raises that error, in the tower if it is in the run.
    """

    width = 2

    def __init__(self, *, failures: dict[str, BaseException] | None = None) -> None:
        self.failures = failures or {}
        self.gate, self.entered = threading.Event(), threading.Semaphore(0)
        self.gate.set()
        self.runs: list[list[int]] = []
        """Numbers of the items of each run of a tower."""
        self.cancelled = 0
        self.warmed = 0

    def warm_up(self) -> None:
        self.warmed += 1
        self.fail("warm-up")

    def fail(self, name: str) -> None:
        for start, error in self.failures.items():
            if name.startswith(start):
                raise error

    def preprocess(self, image: object) -> NDArray[np.uint8]:
        content = image if isinstance(image, bytes) else b"\0"
        if content.startswith(b"torn"):
            raise ImageError("it is torn")
        self.fail("decode " + content.decode("latin-1"))
        return np.full((2, 2, 3), content[0], dtype=np.uint8)

    def tokenize(self, texts: Sequence[str], *, on_cut: str) -> Tokens:  # noqa: ARG002  as of a model
        for text in texts:
            self.fail("tokenize " + text)
        rows = tuple(tuple(map(ord, text[:20])) for text in texts)
        cut = tuple(place for place, text in enumerate(texts) if len(text) > 20)
        return Tokens(rows=rows, cut=cut, tokenizer="fake")

    def embed_tokens(self, tokens: Tokens, *, cancel: Cancellation | None = None) -> F32:
        names = ["".join(map(chr, row)) for row in tokens.rows]
        return self.embed([f"text {name}" for name in names], [*tokens.lengths], cancel)

    def embed_pixels(self, pixels: NDArray[np.uint8], *, cancel: Cancellation | None = None) -> F32:
        numbers = [int(image[0, 0, 0]) for image in pixels]
        return self.embed([f"image {chr(number)}" for number in numbers], numbers, cancel)

    def embed(self, names: list[str], numbers: list[int], cancel: Cancellation | None) -> F32:
        self.runs.append(numbers)
        self.entered.release()
        for _ in range(int(PATIENCE_S / 1e-3)):
            if self.gate.wait(1e-3):
                break
            if cancel is not None and cancel.cancelled:
                self.cancelled += 1
                raise RunCancelledError("the run was cancelled")
        for name in names:
            self.fail(name)
        return np.stack([np.arange(self.width) + number for number in numbers]).astype(np.float32)

    def require_entered(self, runs: int = 1) -> None:
        """Wait until so many more runs are held."""
        for _ in range(runs):
            assert self.entered.acquire(timeout=PATIENCE_S)
