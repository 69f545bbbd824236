"""Embeddings of LangChain: texts, and images beside them as its OpenCLIP class has them."""

from langchain_core.embeddings import Embeddings

from twinlens.batch import Batch
from twinlens.images.image_like import ImageLike
from twinlens.model.model import Model


class TwinlensEmbeddings(Embeddings):
    """Embeddings of a model for the vector stores of LangChain: unit rows, as lists of floats."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts; one longer than the context of the model is cut, with a line in the log.

        Raises:
            TextError: a text is no string.
        """
        rows: list[list[float]] = self._model.embed_texts(texts).tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        """Embed one text, in the same manner as documents.

        Raises:
            TextError: it is no string.
        """
        return self.embed_documents([text])[0]

    def embed_image(self, uris: Batch[ImageLike]) -> list[list[float]]:
        """Embed images.

        Args:
            uris: paths or open images, as for `Model.embed_images`.

        Raises:
            ImageError: one cannot be read.
        """
        rows: list[list[float]] = self._model.embed_images(uris).tolist()
        return rows
