"""One run at work: items to rows; an item that fails leaves the others alone."""

import logging
from collections.abc import Callable, Sequence
from contextvars import Context
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from twinlens.errors import ImageError, RunCancelledError, TextError
from twinlens.images.data_uri import from_base64, from_data_uri
from twinlens.images.image_like import U8
from twinlens.serving.cost import LinearCost
from twinlens.serving.item_errors import bare
from twinlens.serving.serving_model import ServingModel
from twinlens.serving.work import F32, Base64Image, Item, Run
from twinlens.texts.tokens import Tokens

logger = logging.getLogger(__name__)

T = TypeVar("T")


def embed_run(run: Run, model: ServingModel, *, text_cost: LinearCost) -> None:
    """Embed the items of a run into the rows of their requests; an error goes into its item.

    Args:
        run: the run; the seconds that it took are noted in it.
        model: the model.
        text_cost: seconds of a run of the text tower, by padded tokens.
    """
    if run.queue.kind == "text":
        _embed_texts(run, run.items, model, text_cost)
    else:
        _embed_images(run, model)


def _embed_texts(run: Run, items: list[Item], model: ServingModel, cost: LinearCost) -> None:
    start = perf_counter()
    texts = [str(item.payload) for item in items]
    tokens = _apart(items, lambda: model.tokenize(texts, on_cut="ignore"))
    if tokens is None:
        for item in items if len(items) > 1 else ():
            _embed_texts(run, [item], model, cost)
        return
    for place, (item, length) in enumerate(zip(items, tokens.lengths, strict=True)):
        item.tokens, item.truncated = length, place in tokens.cut
    parts = by_length(tokens.lengths, cost)
    if len(parts) == 1:
        _embed_tokens(run, items, tokens, model)
    else:
        for places in parts:
            part = Tokens.joined(tokens[place] for place in places)
            _embed_tokens(run, [items[place] for place in places], part, model)
    run.tower_s += perf_counter() - start


def _embed_tokens(run: Run, items: list[Item], tokens: Tokens, model: ServingModel) -> None:
    run.towers += 1
    run.padded += len(tokens) * max(tokens.lengths)
    rows = _apart(items, lambda: model.embed_tokens(tokens, cancel=run.cancellation))
    if rows is not None:
        _fill(items, rows)
    elif len(items) > 1 and not _is_cancelled(run):
        for place, item in enumerate(items):
            _embed_tokens(run, [item], tokens[place], model)


def by_length(lengths: Sequence[int], cost: LinearCost) -> list[list[int]]:
    """Divide texts into runs of similar length; padding costs less than one more run would.

    Returns:
        Places of the texts of each run, the shorter texts first.
    """
    parts: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if parts:
            part = parts[-1]
            padding = len(part) * (lengths[place] - lengths[part[-1]])
            if padding * cost.unit_s <= cost.fixed_s:
                part.append(place)
                continue
        parts.append([place])
    return parts


def _embed_images(run: Run, model: ServingModel) -> None:
    pixels = [_decoded(item, run, model) for item in run.items]
    good = [
        (item, found) for item, found in zip(run.items, pixels, strict=True) if found is not None
    ]
    del pixels
    if good:
        start = perf_counter()
        _embed_pixels(run, [item for item, _ in good], [found for _, found in good], model)
        run.tower_s += perf_counter() - start


def _decoded(item: Item, run: Run, model: ServingModel) -> U8 | None:
    """Return the pixels of an item, or None: its request has ended, or the error is in the item."""
    if item.request.ended or _is_cancelled(run):
        return None
    # A context is entered by one thread at a time, and the request may have other items at work.
    context = item.request.context.copy() if item.request.context else Context()
    start = perf_counter()
    try:
        return _apart([item], lambda: context.run(_preprocess, item.payload, model))
    finally:
        item.decode_s = perf_counter() - start


def _preprocess(image: Any, model: ServingModel) -> U8:  # noqa: ANN401  the model tells its type
    if isinstance(image, Base64Image):
        is_uri = image.text[:5].lower() == "data:"
        image = from_data_uri(image.text) if is_uri else from_base64(image.text)
    return model.preprocess(image)


def _embed_pixels(run: Run, items: list[Item], pixels: list[U8], model: ServingModel) -> None:
    run.towers += 1
    rows = _apart(items, lambda: model.embed_pixels(np.stack(pixels), cancel=run.cancellation))
    if rows is not None:
        _fill(items, rows)
    elif len(items) > 1 and not _is_cancelled(run):
        for item, found in zip(items, pixels, strict=True):
            _embed_pixels(run, [item], [found], model)


def _fill(items: list[Item], rows: F32) -> None:
    for item, row in zip(items, rows, strict=True):
        item.request.rows[item.row] = row
        item.is_embedded = True


def _apart(items: list[Item], call: Callable[[], T]) -> T | None:
    """Return the result of a call; if it fails, None, and the error goes into a single item.

    Anything at all may be raised: a panic of a Rust library is no Exception.
    """
    try:
        return call()
    except RunCancelledError:
        return None  # nobody waits for it
    except BaseException as error:
        if not isinstance(error, (ImageError, TextError)):
            logger.warning("%d items could not be embedded", len(items), exc_info=error)
        if len(items) == 1:
            items[0].error = bare(error)
        return None


def _is_cancelled(run: Run) -> bool:
    return run.cancellation is not None and run.cancellation.cancelled
