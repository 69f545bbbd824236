"""Data of a semantic search: texts or images as a list, a dict, a table or a column."""

from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from twinlens import dataframes
from twinlens.errors import quoted
from twinlens.normalization import read_floats

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]
MODALITIES: Final = ("image", "text")
"""Names of columns that tell what they hold."""
OnCut = Literal["ignore", "warn", "error"]
"""Handling of a text longer than the context, as in the room of texts, a stranger to this one."""


class EmbeddingModel(Protocol):
    """Model that embeds what is searched, as `twinlens.load` gives one."""

    def embed_images(
        self,
        images: list[Any],
        *,
        on_error: Literal["raise", "nan"] = "raise",
        progress: bool = False,
    ) -> F32:
        """Return unit rows [B, D] of images."""

    def embed_texts(
        self, texts: list[str], *, on_cut: OnCut = "warn", progress: bool = False
    ) -> F32:
        """Return unit rows [B, D] of texts."""


def is_model(value: object) -> bool:
    """Return True for a model, which embeds images and texts."""
    return hasattr(value, "embed_images") and hasattr(value, "embed_texts")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedData:
    """Choices by which data of a search become rows."""

    model: EmbeddingModel | None
    on_error: Literal["raise", "nan"]
    on_cut: OnCut
    progress: bool

    def rows(
        self, embeddings: object, values: object, role: str
    ) -> tuple[Bools | None, NDArray[np.floating]]:
        """Return the rows of one side, and a mask [B] of those that could be read; None is all.

        Args:
            embeddings: rows, if these are given.
            values: several texts or images, if these are: a list, a column, or a table or dict of
                one column, or of several with one named as the role. A column called "image" or
                "text" is one; other strings are texts, unless most of them name files.
            role: "query" or "response".

        Raises:
            TypeError: the values are a single text or image, or there is no model for them.
            ValueError: both are given or neither, or a table has several columns and none is named
                as the role, or it is empty.
        """
        if (embeddings is None) == (values is None):
            number = "both" if values is not None else "neither"
            raise ValueError(f"{number} of {role}_embeddings and {role}_data is given; give one")
        if values is None:
            return None, read_floats(embeddings)
        if self.model is None:
            raise TypeError(f"{role}_data needs a model to embed it; give model=twinlens.load(...)")
        name, column = _column(values, role)
        if not column:
            raise ValueError(f"{role}_data is empty; give one text or image, or more")
        modality = name if name in MODALITIES else dataframes.modality_of(column)
        if modality == "text":
            found = self.model.embed_texts(column, on_cut=self.on_cut, progress=self.progress)
        else:
            found = self.model.embed_images(column, on_error=self.on_error, progress=self.progress)
        readable = ~np.isnan(found[:, 0])
        return (None, found) if readable.all() else (readable, found[readable])


def _column(values: object, role: str) -> tuple[str | None, list[Any]]:
    """Return the name of the column that is searched, if it has one, and its values."""
    if not dataframes.is_table(values):
        return None, [*dataframes.several(cast("Any", values), f"{role}_data")]
    names = dataframes.column_names(values)
    if role in names:
        return role, dataframes.column(values, role)
    if len(names) != 1:
        known = ", ".join(map(str, names))
        raise ValueError(
            f"{role}_data has the columns {quoted(known)}, wanted one, or one named {role!r}; "
            "give the column alone"
        )
    return names[0], dataframes.column(values, names[0])
