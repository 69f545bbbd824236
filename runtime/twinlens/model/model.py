"""The model: two towers, open and ready, and their joint answers."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twinlens import dataframes
from twinlens.batch import Batch
from twinlens.bundle.specs import Modality
from twinlens.embedding.embedded_blocks import require_no_skip
from twinlens.images.image_like import ImageLike
from twinlens.images.named_image import NamedImage
from twinlens.index.filters import Filter
from twinlens.index.hits import Hits
from twinlens.index.index_reader import IndexReader
from twinlens.model.index_queries import read_index_queries, require_index, with_lost_queries
from twinlens.model.matching_model import _MatchingModel
from twinlens.model.zero_shot import ASSUMED_SCALE, TEMPLATES, Classes, classify_rows
from twinlens.provenance import check_about
from twinlens.texts.tokenizer import OnCut

F32 = NDArray[np.float32]


class Model(_MatchingModel):
    """Two towers that embed images and texts into the same space of width D, or one of the two.

    Made by `twinlens.load`. Safe to call from several threads. `with` closes it, and so does
    `close`. A pickle of it holds the path of the bundle and the options, no weights: the other
    process opens the same, unchanged bundle anew. `copy.copy` and `copy.deepcopy` return the model
    itself.
    """

    def search(  # noqa: PLR0913  one choice each, none by place
        self,
        index: IndexReader,
        queries: str | ImageLike | Batch[str] | Batch[ImageLike | NamedImage],
        k: int = 10,
        *,
        modality: Modality | None = None,
        filter: Filter | None = None,  # noqa: A002  the word of all search libraries
        on_error: Literal["raise", "nan"] = "raise",
        on_cut: OnCut = "warn",
        progress: bool = False,
    ) -> Hits:
        """The k rows of an index nearest to each of Q queries, by exact cosine, best first.

            hits = model.search(index, "a red car")
            hits = model.search(index, Path("car.jpg"), k=5)

        The maker of the rows is compared: an index of another model, or of other pixels, is an
        error, as by `check_about`; one of another precision of the model is taken.

        Args:
            index: rows of images or of texts.
            queries: words or a picture, or several of one of these. A `str` is words, everything
                else a picture; a `str` that names a file is refused.
            k: number of hits, at least 1.
            modality: "image" to take strings as paths of pictures, "text" to take all as words.
            filter: rows to search, as of `Index.search`.
            on_error: as for `embed_images`; with "nan" an unreadable picture has cosines of NaN,
                rows of -1, and ids of -1 or "".
            on_cut: as for `embed_texts`.
            progress: show a bar on stderr.

        Raises:
            ImageError: an image cannot be read; the message has its index and the reason.
            IndexFileError: the index was made by another model, or from other pixels.
            TextError: a text is too long; the message has its index.
            TypeError: the index is none, or words and pictures are mixed.
            ValueError: modality is unknown, a string names a file and modality does not tell
                which is meant, or k is below 1.
        """
        require_no_skip(on_error)
        require_index(index)
        kind, several = read_index_queries(queries, modality)
        check_about(index.about, self.about, modality=kind, mixed={"precision"})
        if kind == "text":
            rows = self.embed_texts(several, on_cut=on_cut, progress=progress)
        else:
            rows = self.embed_images(several, on_error=on_error, progress=progress)
        readable = ~np.isnan(rows[:, 0])
        return with_lost_queries(index.search(rows[readable], k, filter=filter), readable)

    def classify(  # noqa: PLR0913  one choice each, none by place
        self,
        images: Batch[ImageLike | NamedImage],
        labels: Batch[str],
        *,
        templates: str | Batch[str] = TEMPLATES,
        on_error: Literal["raise", "nan"] = "raise",
        on_cut: OnCut = "warn",
        progress: bool = False,
    ) -> Classes:
        """Zero-shot classification of images into labels.

        The probabilities are the softmax of the scaled cosines with the labels' embeddings
        (Radford et al. 2021, section 3.1.4): shares among these labels, by the checkpoint's own
        scale. No calibration has a part in them, and no level.

        Args:
            images: B images.
            labels: C names, such as "dog".
            templates: one text with one `{}` for the label, or several.
            on_error: as for `embed_images`; an unreadable image has probabilities of NaN and no
                best label.
            on_cut: as for `embed_texts`.
            progress: show a bar on stderr.

        Raises:
            ImageError: an image cannot be read; the message has its index and the reason.
            ValueError: a label is empty or repeated, or a template has no place for it.
        """
        require_no_skip(on_error)
        self.require("text", "image")
        names = [*dataframes.several(labels, "labels")]
        label_rows = self.embed_labels(names, templates=templates, on_cut=on_cut)
        rows = self.embed_images(images, on_error=on_error, progress=progress)
        return self.classify_rows(rows, label_rows, labels=names)

    def classify_rows(self, images: F32, label_rows: F32, *, labels: Sequence[str]) -> Classes:
        """Zero-shot classification of embeddings, as `classify`; a row of NaN gives NaN.

        Args:
            images: unit rows [B, D].
            label_rows: unit rows [C, D], of `embed_labels`.
            labels: their C names.
        """
        self._require_open()
        own = self._manifest.native_scale
        scale = ASSUMED_SCALE if own is None else own
        return classify_rows(images, label_rows, labels=labels, scale=scale)
