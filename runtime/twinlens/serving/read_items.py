"""Items of a request, read from the caller's texts and images."""

import os
from collections.abc import Hashable, Iterator, Sequence
from contextvars import copy_context
from typing import NamedTuple

import numpy as np
from PIL import Image

from twinlens import dataframes
from twinlens.batch import Batch
from twinlens.errors import TextError, quoted
from twinlens.images.image_like import ImageLike
from twinlens.serving.admission_limits import AdmissionLimits
from twinlens.serving.cost import Costs, bytes_of_image, header_of_image
from twinlens.serving.item_errors import at_place
from twinlens.serving.work import PRIORITIES, Base64Image, Item, Kind, Priority, Request

IMAGES = (Base64Image, bytes, bytearray, memoryview, np.ndarray, Image.Image, os.PathLike)


class Given(NamedTuple):
    """A text or an image, as a caller gives it."""

    kind: Kind
    place: int
    """Place among the texts or images of the caller, for errors."""
    value: object


def texts_of(texts: Batch[str]) -> list[Given]:
    """Return texts with their places.

    Raises:
        TypeError: it is a single text.
    """
    strings = dataframes.several(texts, "texts")
    return [Given("text", place, text) for place, text in enumerate(strings)]


def images_of(images: Batch[ImageLike | Base64Image]) -> list[Given]:
    """Return images with their places.

    Raises:
        TypeError: it is a single image, or an iterator.
    """
    if isinstance(images, Iterator):
        kind = type(images).__name__
        raise TypeError(
            f"images is a {kind}, which may reuse an array before a worker reads it; give a list"
        )
    several = dataframes.several(images, "images")
    return [Given("image", place, image) for place, image in enumerate(several)]


def mixed(items: Sequence[object]) -> list[Given]:
    """Tell texts from images; a str is a text.

    Raises:
        TypeError: something is neither.
    """
    return [Given(_kind(place, item), place, item) for place, item in enumerate(items)]


def read_request(  # noqa: PLR0913  one choice each, none by place
    values: Sequence[Given],
    *,
    width: int,
    limits: AdmissionLimits,
    costs: Costs,
    priority: Priority | None,
    timeout_s: float | None,
    now: float,
) -> tuple[Request, list[Item]]:
    """Read a request of at least one item, not accepted yet.

    Raises:
        RequestSizeError: it has too many items or bytes, or a text is too long.
        TextError: a text is none, or holds a lone surrogate; the error has its place.
        ValueError: priority or timeout mean nothing.
    """
    if priority not in {None, *PRIORITIES}:
        raise ValueError(f"priority is {quoted(repr(priority))}, not {' or '.join(PRIORITIES)}")
    allowed_s = limits.allowed_s(timeout_s)
    _check_sizes(values, limits)
    request = Request(
        priority="bulk",
        arrived=now,
        deadline=now + allowed_s,
        rows=np.empty((len(values), width), dtype=np.float32),
        left=len(values),
        context=copy_context() if any(given.kind == "image" for given in values) else None,
    )
    items = [
        (_text if given.kind == "text" else _image)(request, row, given, costs)
        for row, given in enumerate(values)
    ]
    request.n_bytes = sum(item.n_bytes for item in items)
    is_small = len(items) <= limits.interactive_items
    is_short = sum(item.seconds for item in items) <= limits.interactive_s
    request.priority = priority or ("interactive" if is_small and is_short else "bulk")
    return request, items


def distinct_images(images: Sequence[Given]) -> tuple[list[Given], list[int]]:
    """Return each image once, in order of appearance, and for every image its number there.

    Encoded images are equal by content, others by identity.
    """
    numbers: dict[Hashable, int] = {}
    firsts: list[Given] = []
    for image in images:
        if numbers.setdefault(_key(image.value), len(firsts)) == len(firsts):
            firsts.append(image)
    return firsts, [numbers[_key(image.value)] for image in images]


def _key(image: object) -> Hashable:
    return image if isinstance(image, (str, bytes, Base64Image)) else id(image)


def _kind(place: int, item: object) -> Kind:
    if isinstance(item, str):
        return "text"
    if isinstance(item, IMAGES) or hasattr(item, "read"):
        return "image"
    raise TypeError(f"item {place} is a {type(item).__name__}, wanted a str or an image")


def _check_sizes(values: Sequence[Given], limits: AdmissionLimits) -> None:
    texts = [_checked(place, value) for kind, place, value in values if kind == "text"]
    images = [value for kind, _, value in values if kind == "image"]
    n_bytes = sum(map(bytes_of_image, images)) + sum(map(len, texts))
    limits.check_sizes(n_texts=len(texts), n_images=len(images), n_bytes=n_bytes)
    for kind, place, value in values:
        if kind == "text":
            limits.check_length(str(value), place)


def _checked(place: int, text: object) -> str:
    if not isinstance(text, str):
        raise at_place(TextError(f"it is a {type(text).__name__}, not a str"), "text", place)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            reason = f"it holds a lone surrogate at character {error.start}"
            cure = "decode it with errors='replace'"
            raise at_place(TextError(f"{reason}; {cure}"), "text", place) from None
    return text


def _text(request: Request, row: int, given: Given, costs: Costs) -> Item:
    text = str(given.value)
    tokens = costs.tokens_of(text)
    return Item(
        request=request,
        place=given.place,
        row=row,
        kind="text",
        payload=text,
        seconds=costs.text_s(tokens),
        tokens=tokens,
        n_bytes=len(text) if text.isascii() else len(text.encode()),
    )


def _image(request: Request, row: int, given: Given, costs: Costs) -> Item:
    header = header_of_image(given.value)
    return Item(
        request=request,
        place=given.place,
        row=row,
        kind="image",
        payload=given.value,
        seconds=costs.image_s(header),
        n_bytes=bytes_of_image(given.value),
        header=header,
    )
