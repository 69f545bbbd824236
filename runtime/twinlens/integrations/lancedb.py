"""Embedding function of LanceDB: its tables embed what is added, and what is searched for."""

from functools import lru_cache
from typing import Any, Literal

import numpy as np
from lancedb.embeddings import EmbeddingFunction, register
from numpy.typing import NDArray
from pydantic import PrivateAttr

from twinlens.errors import BundleError
from twinlens.loading import load
from twinlens.model.model import Model


@register("twinlens")
class TwinlensFunction(EmbeddingFunction):
    """Embedding function "twinlens" of LanceDB's registry; importing this module registers it.

    A table keeps the arguments and the hash of the checkpoint, and opens the model by them: with
    another checkpoint in the folder, it is a BundleError.
    """

    bundle: str = "demo"
    """As for `load`."""
    source: Literal["image", "text"] = "image"
    """Kind of the source column: images as paths or encoded bytes, or texts."""
    device: str = "cpu"
    """As for `load`."""
    precision: str = "auto"
    """As for `load`."""
    pixels: str = "exact"
    """As for `load`."""
    sha256: str | None = None
    """Hash of the checkpoint; None for that of the bundle."""
    # An image that cannot be read stays so: LanceDB would wait and try seven times.
    max_retries: int = 0
    _model: Model = PrivateAttr()

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  the fields
        super().__init__(**options)
        self._model = _opened(self.bundle, self.device, self.precision, self.pixels)
        found = self._model.about["sha256"]
        if self.sha256 not in (None, found):
            raise BundleError(
                f"the table was embedded by checkpoint {self.sha256}, but {self.bundle} has "
                f"{found}; put that bundle back, or make the table again"
            )

    @classmethod
    def create(cls, **options: Any) -> "TwinlensFunction":  # noqa: ANN401  the fields
        """Open a model as an embedding function.

        Args:
            options: The fields of the class.

        Raises:
            BundleError: There is no such bundle, or it has another checkpoint.
            ProviderError: The device cannot be used.
        """
        made: TwinlensFunction = super().create(**options)
        made._original_args = {**options, "sha256": made._model.about["sha256"]}
        return made

    def ndims(self) -> int:
        """Return D, the width of an embedding."""
        return self._model.width

    def compute_query_embeddings(
        self,
        query: object,
        *_: object,
        **__: object,
    ) -> list[NDArray[np.float32]]:
        """Embed one query: a text, or an image that is not named by a string.

        Raises:
            ImageError: The image cannot be read.
            TextError: The text cannot be tokenised.
        """
        if isinstance(query, str):
            return list(self._model.embed_texts([query]))
        return list(self._model.embed_images([query]))  # type: ignore[list-item]

    def compute_source_embeddings(
        self,
        items: Any,  # noqa: ANN401  as LanceDB gives them
        *_: object,
        **__: object,
    ) -> list[NDArray[np.float32]]:
        """Embed items of the source column.

        Raises:
            ImageError: An image cannot be read: the message has its place in the batch.
            TextError: A text cannot be tokenised.
        """
        given = self.sanitize_input(items)
        if self.source == "text":
            return list(self._model.embed_texts(given))
        return list(self._model.embed_images(given))


@lru_cache(maxsize=4)
def _opened(bundle: str, device: str, precision: str, pixels: str) -> Model:
    """Open a model once: LanceDB makes a function anew for each table and search."""
    return load(bundle, device=device, precision=precision, pixels=pixels)
