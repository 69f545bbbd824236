"""The part of a model that an engine needs."""

from collections.abc import Sequence
from typing import Protocol

from twinlens.bundle.calibration import Calibration, CalibrationLevel, PairKind
from twinlens.images.image_like import U8, ImageLike
from twinlens.model.zero_shot import Classes
from twinlens.ort.cancellation import Cancellation
from twinlens.serving.work import F32
from twinlens.texts.tokenizer import OnCut
from twinlens.texts.tokens import Tokens


class ServingModel(Protocol):
    """Model whose calls compute on the calling thread, as many at a time as there are threads.

    `twinlens.load(..., threads=1)` gives one.
    """

    @property
    def width(self) -> int:
        """D, the width of an embedding."""

    @property
    def calibration(self) -> Calibration:
        """Curve from a cosine to a probability; CalibrationError without one."""

    def calibration_for(
        self, *, level: CalibrationLevel | None = None, pairs: PairKind = "image-text"
    ) -> Calibration:
        """Return the curve of that level; CalibrationError without one."""

    def preprocess(self, image: ImageLike) -> U8:
        """Return the pixels [S, S, 3] of an image."""

    def tokenize(self, texts: list[str], *, on_cut: OnCut) -> Tokens:
        """Return the token ids of texts."""

    def embed_pixels(self, pixels: U8, *, cancel: Cancellation | None = None) -> F32:
        """Return the unit rows [B, D] of pixels [B, S, S, 3]."""

    def embed_tokens(self, tokens: Tokens, *, cancel: Cancellation | None = None) -> F32:
        """Return the unit rows [B, D] of texts."""

    def warm_up(self) -> None:
        """Run both towers once."""

    def classify_rows(self, images: F32, label_rows: F32, *, labels: Sequence[str]) -> Classes:
        """Return the classes of images [B, D] among labels [C, D]."""
