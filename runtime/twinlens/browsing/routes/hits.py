"""POST /hits: pictures by words, by a picture, or all; POST /dropped: a picture to search by."""

import asyncio

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from twinlens.browsing.bodies import (
    MOST_SKIP,
    DroppedAnswer,
    HitsAnswer,
    HitsRequest,
    PageHit,
)
from twinlens.browsing.library.catalogue import shown
from twinlens.browsing.library.library import Library
from twinlens.browsing.queries.dropped_pictures import DroppedPictures
from twinlens.browsing.queries.near_duplicates import earlier_likes
from twinlens.browsing.queries.words import Words, read_words
from twinlens.bundle.calibration import Calibration
from twinlens.bundle.log_odds import logit
from twinlens.errors import CalibrationError, MissingTowerError
from twinlens.http.bodies.items import Items
from twinlens.http.calls.call import Call
from twinlens.http.errors import HttpError, invalid
from twinlens.http.service.deployment import Deployment
from twinlens.index.index import Index
from twinlens.model.model import Model

F32 = NDArray[np.float32]


class HitRoutes:
    """Routes that find pictures."""

    def __init__(self, library: Library) -> None:
        self._library, self._dropped = library, DroppedPictures()

    async def hits(self, call: Call) -> Response:
        """Return one page of hits."""
        request = await call.json(HitsRequest)
        if sum(one is not None for one in (request.words, request.like, request.dropped)) > 1:
            raise invalid("wanted words, like or dropped, one of them", param="words")
        deployment = await call.deployment()
        if request.words is None and request.like is None and request.dropped is None:
            return call.answer(self._all(request))
        if request.skip > MOST_SKIP:
            raise invalid(f"skip is {request.skip:,}, beyond {MOST_SKIP:,} hits", param="skip")
        if request.words is not None:
            words = _read(request.words)
            row, cut = await _row_of(call, deployment, words)
            calibration = calibration_of(deployment.model) if words.is_plain else None
        else:
            words, cut, calibration = Words(plus=()), False, None
            row = self._row(request, _index(deployment))
        page = _Page(self._library, _index(deployment), calibration)
        hits, more = await asyncio.to_thread(page.hits, row, request)
        return call.answer(
            HitsAnswer(hits=hits, more=more, cut=cut, plus=words.plus, minus=words.minus)
        )

    async def drop(self, call: Call) -> Response:
        """Embed the picture that the body is, and keep its row for searches."""
        media = call.headers.get("content-type", "")
        if not media.startswith("image/"):
            raise HttpError(
                415, "wanted a picture, as image/jpeg", code="unsupported_media_type", param="body"
            )
        image = await call.body()
        if not image:
            raise invalid("the picture is empty", param="body")
        deployment = await call.deployment()
        items = Items()
        items.add_raw(image, "the picture")
        rows = (await call.embed(deployment, items, call.wish())).rows
        return call.answer(DroppedAnswer(dropped=self._dropped.keep(rows[0])))

    def _row(self, request: HitsRequest, index: Index) -> F32:
        """Return the row [D] of a picture of the library, or of one that was dropped."""
        if request.like is not None:
            number = self._library.catalogue.find(request.like)
            if number is None:
                raise no_picture("like")
            stored: F32 = index.get([self._library.catalogue[number].id])[0]
            return stored
        row = self._dropped.row(request.dropped or "")
        if row is None:
            raise HttpError(
                404, "that picture was forgotten; drop it again", code="no_picture", param="dropped"
            )
        return row

    def _all(self, request: HitsRequest) -> HitsAnswer:
        total, end = len(self._library.catalogue), request.skip + request.count
        numbers = range(min(request.skip, total), min(end, total))
        return HitsAnswer(
            hits=[_told(self._library, number) for number in numbers], more=end < total
        )


def no_picture(param: str) -> HttpError:
    """Return the error of a reference that names no picture."""
    return HttpError(
        404,
        "that picture is no longer in the library; load the page anew",
        code="no_picture",
        param=param,
    )


def calibration_of(model: Model) -> Calibration | None:
    """Return the calibration of a model, or None if it has none for these towers and pixels."""
    try:
        return model.calibration
    except (CalibrationError, MissingTowerError):
        return None


class _Page:
    """One page of the hits of a row."""

    def __init__(self, library: Library, index: Index, calibration: Calibration | None) -> None:
        self._library, self._index, self._calibration = library, index, calibration

    def hits(self, row: F32, request: HitsRequest) -> tuple[list[PageHit], bool]:
        """Return the hits of a row [D], and True if there are more behind them."""
        end = request.skip + request.count
        found = self._index.search(row, end + 1, threads=1)
        ids, cosines = found.ids[0, :end].tolist(), found.cosines[0, :end]
        numbers = self._library.catalogue.numbers_of(ids)
        nears = self._nears(ids, request)
        evidences = self._evidences(cosines[request.skip :])
        hits = [
            _told(self._library, number, cosine=cosine, evidence=evidence, near=near)
            for number, cosine, evidence, near in zip(
                numbers[request.skip :],
                cosines[request.skip :].tolist(),
                evidences,
                nears,
                strict=True,
            )
        ]
        return hits, found.ids.shape[1] > end and end <= MOST_SKIP

    def _nears(self, ids: list[str], request: HitsRequest) -> list[int | None]:
        if request.near is None or len(ids) <= request.skip:
            return [None] * max(0, len(ids) - request.skip)
        rows = self._index.get(ids)
        found = earlier_likes(rows, first=request.skip, cosine=request.near)
        return [None if one < 0 else one for one in found]

    def _evidences(self, cosines: F32) -> list[float | None]:
        """Return the log-odds of a match less those of the prior: the page adds those of its own.

        They are bounded: 40 is a probability of 1 in double precision.
        """
        if self._calibration is None:
            return [None] * len(cosines)
        logits = self._calibration.curve.logits(cosines.astype(np.float64))
        evidence = np.clip(logits - logit(self._calibration.prior), -40.0, 40.0)
        return [round(one, 4) for one in evidence.tolist()]


def _told(
    library: Library,
    number: int,
    *,
    cosine: float | None = None,
    evidence: float | None = None,
    near: int | None = None,
) -> PageHit:
    catalogue = library.catalogue
    return PageHit(
        ref=catalogue.reference(number),
        title=catalogue.title(number),
        path=shown(catalogue[number].name),
        cosine=None if cosine is None else round(cosine, 4),
        evidence=evidence,
        near=near,
    )


def _read(written: str) -> Words:
    try:
        return read_words(written)
    except ValueError as error:
        raise invalid(str(error), param="words") from None


async def _row_of(call: Call, deployment: Deployment, words: Words) -> tuple[F32, bool]:
    """Return the row [D] of words, and True if a text was cut."""
    items = Items()
    items.add_texts(words.texts, "words")
    answer = await call.embed(deployment, items, call.wish())
    row = words.row(answer.rows)
    if row is None:
        raise invalid("these words cancel each other out; change one of them", param="words")
    return row, bool(answer.truncated)


def _index(deployment: Deployment) -> Index:
    if deployment.index is None:
        raise HttpError(404, "there is no index", code="no_index")
    return deployment.index
