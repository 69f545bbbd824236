"""Embedding of LlamaIndex: texts and images in one space."""

import asyncio
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.embeddings import MultiModalEmbedding

from twinlens.model.model import Model


class TwinlensEmbedding(MultiModalEmbedding):
    """Embedding of a model for the indexes of LlamaIndex: unit rows, as lists of floats.

    Queries and texts are embedded in the same manner.
    """

    _model: Model = PrivateAttr()

    def __init__(self, model: Model, **options: Any) -> None:  # noqa: ANN401  of the base class
        """Take a model, and the options of LlamaIndex's own, such as `embed_batch_size`."""
        super().__init__(**{"model_name": model.about["model"], **options})
        self._model = model

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex writes and logs it."""
        return "TwinlensEmbedding"

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        rows: list[list[float]] = self._model.embed_texts(texts).tolist()
        return rows

    def _get_image_embeddings(self, img_file_paths: Sequence[str | BytesIO]) -> list[list[float]]:
        rows: list[list[float]] = self._model.embed_images(img_file_paths).tolist()
        return rows

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embeddings([query])[0]

    def _get_image_embedding(self, img_file_path: str | BytesIO) -> list[float]:
        return self._get_image_embeddings([img_file_path])[0]

    # Off the event loop, and a batch as one: the base class embeds its items one at a time.
    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)

    async def _aget_image_embeddings(
        self, img_file_paths: Sequence[str | BytesIO]
    ) -> list[list[float]]:
        return await asyncio.to_thread(self._get_image_embeddings, img_file_paths)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return (await self._aget_text_embeddings([query]))[0]

    async def _aget_image_embedding(self, img_file_path: str | BytesIO) -> list[float]:
        return (await self._aget_image_embeddings([img_file_path]))[0]
