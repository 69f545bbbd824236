"""Pairs of two images, or of two texts, with their labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from twinlens.datasets.pairs import Pairs
from twinlens.errors import PairsError
from twinlens.images.image_like import ImageLike


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePairs:
    """M pairs of two images, row by row, such as a picture and its near duplicate.

    Raises PairsError as `Pairs` does.

    >>> len(ImagePairs(images=["dog.jpg", "cat.jpg"], others=["dog-small.png", "cat-small.png"]))
    2
    """

    images: Sequence[ImageLike]
    """[M]"""
    others: Sequence[ImageLike]
    """[M]"""
    labels: Sequence[bool] | None = None
    """[M] True or 1 for a matching pair, False or 0 for another; None if all pairs match."""

    def __post_init__(self) -> None:
        for name in ("images", "others"):
            column = getattr(self, name)
            if not isinstance(column, (str, bytes)) and hasattr(column, "__len__"):
                _require_same(len(self.images), len(column), name)
        # The checks, and the lists, are those of pairs of an image and a text.
        texts = [""] * len(self.images)
        images = Pairs(images=self.images, texts=texts, labels=self.labels)
        others = Pairs(images=self.others, texts=texts)
        for name, value in (
            ("images", images.images),
            ("others", others.images),
            ("labels", images.labels),
        ):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, places: Iterable[int]) -> "ImagePairs":
        """Return the pairs of these places, in the order given."""
        chosen = [*places]
        return ImagePairs(
            images=[self.images[place] for place in chosen],
            others=[self.others[place] for place in chosen],
            labels=None if self.labels is None else [self.labels[place] for place in chosen],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPairs:
    """M pairs of two texts, row by row, such as a question and its paraphrase.

    Raises PairsError as `Pairs` does.

    >>> len(TextPairs(texts=["a dog", "a cat"], others=["a hound", "a kitten"]))
    2
    """

    texts: Sequence[str]
    """[M]"""
    others: Sequence[str]
    """[M]"""
    labels: Sequence[bool] | None = None
    """[M] True or 1 for a matching pair, False or 0 for another; None if all pairs match."""

    def __post_init__(self) -> None:
        for name in ("texts", "others"):
            column = getattr(self, name)
            if not isinstance(column, (str, bytes)) and hasattr(column, "__len__"):
                _require_same(len(self.texts), len(column), name)
        images = [b""] * len(self.texts)
        texts = Pairs(images=images, texts=self.texts, labels=self.labels)
        others = Pairs(images=images, texts=self.others)
        for name, value in (
            ("texts", texts.texts),
            ("others", others.texts),
            ("labels", texts.labels),
        ):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, places: Iterable[int]) -> "TextPairs":
        """Return the pairs of these places, in the order given."""
        chosen = [*places]
        return TextPairs(
            texts=[self.texts[place] for place in chosen],
            others=[self.others[place] for place in chosen],
            labels=None if self.labels is None else [self.labels[place] for place in chosen],
        )


AnyPairs = Pairs | ImagePairs | TextPairs


def _require_same(wanted: int, got: int, name: str) -> None:
    if got != wanted:
        raise PairsError(f"{wanted} and {got} {name} are not pairs; give as many of each")
