"""The engine for services: requests of many callers on one loaded model."""

import asyncio
import weakref
from collections.abc import Callable, Sequence
from time import monotonic
from types import TracebackType
from typing import Self

import numpy as np

from twinlens import dataframes
from twinlens.batch import Batch
from twinlens.bundle.calibration import CalibrationLevel
from twinlens.errors import ClosedError, DeadlineError, amount
from twinlens.images.image_like import ImageLike
from twinlens.model.zero_shot import TEMPLATES, Classes, as_templates, fill_templates
from twinlens.normalization import unit_rows
from twinlens.serving.admission_limits import AdmissionLimits
from twinlens.serving.answers import EmbeddedRequest, ServingStats, Timings
from twinlens.serving.label_rows import LabelRows
from twinlens.serving.observer import NoObserver, Observer
from twinlens.serving.queueing.lanes import ONE_LANE, PREEMPTIVE
from twinlens.serving.queueing.queues import Queues
from twinlens.serving.read_items import (
    Given,
    distinct_images,
    images_of,
    mixed,
    read_request,
    texts_of,
)
from twinlens.serving.serving_model import ServingModel
from twinlens.serving.work import F32, Base64Image, Item, Priority, Request
from twinlens.serving.working.thread_priority import CAN_PREEMPT
from twinlens.serving.working.workers import Workers
from twinlens.threads import read_threads

CLOSED = "the engine is closed; open another AsyncModel"
LEAST_TIMEOUT_S = 1e-3
"""Time given to a request whose time is over, so that the error is that of a deadline."""
DRAINING = "the engine is draining: it ends accepted requests and takes no more; ask another one"


class AsyncModel:
    """A loaded model for many callers at a time: coroutines in front, worker threads behind.

    Its model is loaded with threads=1, so that each worker computes on its own thread; all share
    the weights. A worker that is free takes the items that wait, so that batches form under load
    and nobody waits for one. Interactive requests (few items) come before bulk ones, without
    starving them, and each embedding is the same to the bit as that of the model alone.

        model = twinlens.load("bundle", threads=1)
        async with twinlens.AsyncModel(model) as serving:
            rows = await serving.embed_texts(["a dog"])

    It may be used from several event loops and threads. A coroutine that is cancelled takes its
    waiting items out of the queue. The model is not closed with the engine.

    Args:
        model: the model.
        limits: limits on requests and queues.
        workers: worker threads that compute at a time; all usable CPUs by default.
        observer: receiver of metrics.
        preempt: have the system interrupt images and bulk work for interactive texts, and both for
            the caller's own thread (Linux; nothing changes elsewhere). Texts then have as many
            threads of their own, and all workers a lower priority than the process. False: a text
            may wait for an image, and no priority is changed.
    """

    def __init__(
        self,
        model: ServingModel,
        *,
        limits: AdmissionLimits | None = None,
        workers: int | None = None,
        observer: Observer | None = None,
        preempt: bool = True,
    ) -> None:
        self._model, self._limits = model, limits or AdmissionLimits()
        count = read_threads(workers)
        lanes = PREEMPTIVE if preempt and CAN_PREEMPT else ONE_LANE
        self._queues = Queues(self._limits, workers=count, lanes=lanes)
        self._workers = Workers(model, self._queues, count=count, observer=observer or NoObserver())
        self._labels = LabelRows()
        self._started = self._draining = False
        weakref.finalize(self, self._workers.stop, CLOSED).atexit = False

    async def __aenter__(self) -> Self:
        self.start()
        try:
            await self.wait_ready()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = "ready" if self.ready else "not ready"
        return f"AsyncModel({self._model}, {self.workers} workers, {state})"

    @property
    def model(self) -> ServingModel:
        """The model given."""
        return self._model

    @property
    def limits(self) -> AdmissionLimits:
        """Limits on requests and queues."""
        return self._limits

    @property
    def workers(self) -> int:
        """Number of worker threads."""
        return self._workers.count

    @property
    def ready(self) -> bool:
        """True if the model is warm, all workers live, and requests are accepted."""
        return self._workers.is_ready and not self._draining

    @property
    def draining(self) -> bool:
        """True once `drain` or `aclose` was called."""
        return self._draining

    def start(self) -> None:
        """Start the workers and return at once; the model is warmed up by one of them.

        Requests that come before wait for it. A second call does nothing.

        Raises:
            ClosedError: the engine was closed.
            MemoryError: a thread cannot be started.
        """
        if self._draining:
            raise ClosedError(CLOSED)
        if not self._started:
            self._started = True
            self._workers.start()

    async def wait_ready(self) -> None:
        """Wait until the model is warm.

        Raises:
            ClosedError: the engine was closed meanwhile.
            Exception: the error of the model, if it cannot be warmed up.
        """
        workers = self._workers
        await workers.wait_for(lambda: workers.is_warm or workers.is_stopping)
        if workers.failure is not None:
            raise workers.failure
        if workers.is_stopping:
            raise ClosedError(CLOSED)

    async def embed(
        self,
        items: Sequence[object],
        *,
        priority: Priority | None = None,
        timeout_s: float | None = None,
    ) -> EmbeddedRequest:
        """Embed texts and images, mixed as you like, as one request.

        Args:
            items: a str is a text; bytes, PIL images, arrays and `Base64Image` are images.
            priority: "interactive" or "bulk"; by default interactive if the items are few and take
                little time.
            timeout_s: time from now to the answer; that of the limits by default, and at most.

        Raises:
            ClosedError: the engine is draining or closed.
            DeadlineError: the time was over, or the request needs more in any case.
            ImageError: an image cannot be read; the error has its place.
            OverloadedError: there is no room for all items now.
            RequestSizeError: there will never be room for so many, or such large ones.
            TextError: a text cannot be tokenised; the error has its place.
            TypeError: something is neither a text nor an image.
        """
        return await self._embed(mixed(items), priority=priority, timeout_s=timeout_s)

    async def embed_texts(
        self,
        texts: Batch[str],
        *,
        priority: Priority | None = None,
        timeout_s: float | None = None,
    ) -> F32:
        """Embeddings [B, D] of texts, as `Model.embed_texts`; arguments and errors as of `embed`.

        A text longer than the context is cut without a warning; `embed` tells which.
        """
        values = texts_of(texts)
        return (await self._embed(values, priority=priority, timeout_s=timeout_s)).rows

    async def embed_images(
        self,
        images: Batch[ImageLike | Base64Image],
        *,
        priority: Priority | None = None,
        timeout_s: float | None = None,
    ) -> F32:
        """Embeddings [B, D] of images, as `Model.embed_images`; arguments and errors as of `embed`.

        A str is a path, and read by a worker. An image stays as it is until the answer is there.
        """
        values = images_of(images)
        return (await self._embed(values, priority=priority, timeout_s=timeout_s)).rows

    async def match(  # noqa: PLR0913  one choice each, none by place
        self,
        images: Batch[ImageLike | Base64Image],
        texts: Batch[str],
        *,
        prior: float | None = None,
        level: CalibrationLevel | None = None,
        priority: Priority | None = None,
        timeout_s: float | None = None,
    ) -> F32:
        """Probability [M] that image i and text i match, as `Model.match`; the rest as of `embed`.

        An image given several times is embedded once. A str is a path.

        Raises:
            CalibrationError: the bundle was not calibrated, or has none of that level.
            ValueError: the two differ in number, or the prior is no share.
        """
        left, right = images_of(images), texts_of(texts)
        if len(left) != len(right):
            raise ValueError(
                f"{amount(len(left), 'image')} and {amount(len(right), 'text')} are not pairs"
            )
        model = self._model
        calibration = model.calibration if level is None else model.calibration_for(level=level)
        calibration.shift(prior)  # refused before anything is computed
        firsts, numbers = distinct_images(left)
        rows = (await self._embed(firsts + right, priority=priority, timeout_s=timeout_s)).rows
        cosines = np.einsum("bd,bd->b", rows[numbers], rows[len(firsts) :])
        return calibration.probability(cosines, prior=prior)

    async def embed_labels(
        self,
        labels: Batch[str],
        *,
        templates: str | Batch[str] = TEMPLATES,
        priority: Priority | None = None,
        timeout_s: float | None = None,
    ) -> F32:
        """Embeddings [C, D] of labels, as `Model.embed_labels`; the rest as of `embed`.

        The last few thousand are kept. More labels than texts are accepted a request are embedded
        by several requests, one after the other.

        Raises:
            ValueError: a label is empty or repeated, or a template has no place for it.
        """
        names = [*dataframes.several(labels, "labels")]
        forms = tuple(as_templates(templates))
        fill_templates(names, forms)  # refused before anything is computed
        left_s = self._left_s(timeout_s)
        found = self._labels.found(names, forms)
        missing = [name for name in names if name not in found]
        at_once = max(1, self._limits.most_texts // len(forms))
        for start in range(0, len(missing), at_once):
            part = missing[start : start + at_once]
            texts = fill_templates(part, forms)
            rows = await self.embed_texts(texts, priority=priority, timeout_s=left_s())
            means = unit_rows(rows.reshape(len(part), len(forms), -1).mean(axis=1))
            found |= dict(zip(part, means, strict=True))
            self._labels.keep(part, forms, means)
        return np.stack([found[name] for name in names])

    async def classify(
        self,
        images: Batch[ImageLike | Base64Image],
        labels: Batch[str],
        *,
        templates: str | Batch[str] = TEMPLATES,
        priority: Priority | None = None,
        timeout_s: float | None = None,
    ) -> Classes:
        """Zero-shot classification of images, as `Model.classify`; the rest as of `embed`.

        Raises:
            ValueError: a label is empty or repeated, or a template has no place for it.
        """
        names, left_s = [*dataframes.several(labels, "labels")], self._left_s(timeout_s)
        label_rows = await self.embed_labels(
            names, templates=templates, priority=priority, timeout_s=left_s()
        )
        rows = await self.embed_images(images, priority=priority, timeout_s=left_s())
        return self._model.classify_rows(rows, label_rows, labels=names)

    async def drain(self, timeout_s: float | None = None) -> int:
        """Refuse new requests, and wait until the accepted ones have ended, or the time is over.

        Returns:
            Requests that have not ended.
        """
        self._draining = True
        self._workers.refuse_all(DRAINING)
        try:
            async with asyncio.timeout(timeout_s):
                await self._workers.wait_for(lambda: self._queues.unfinished == 0)
        except TimeoutError:
            pass
        return self._queues.unfinished

    async def aclose(self) -> None:
        """End the waiting requests with a ClosedError, finish the runs at work, end the threads.

        `drain` comes before it where no request may be lost. A second call does nothing.
        """
        self._draining = True
        self._workers.stop(CLOSED)
        await self._workers.wait_for(lambda: self._workers.alive == 0)
        self._workers.join()

    def stats(self) -> ServingStats:
        """Return the state of the queues, and counts since the start."""
        return self._workers.stats()

    async def _embed(
        self, values: list[Given], *, priority: Priority | None, timeout_s: float | None
    ) -> EmbeddedRequest:
        if not self._started:
            raise ClosedError("the engine is not started; use it in `async with`, or start() it")
        request, items = read_request(
            values,
            width=self._model.width,
            limits=self._limits,
            costs=self._workers.costs,
            priority=priority,
            timeout_s=timeout_s,
            now=monotonic(),
        )
        if values:
            await self._answered(request, items)
        return EmbeddedRequest(
            rows=request.rows,
            truncated=tuple(sorted(request.truncated)),
            tokens=request.tokens,
            timings=Timings(
                queue_s=(request.started or request.arrived) - request.arrived,
                decode_s=request.decode_s,
                tower_s=request.tower_s,
            ),
        )

    async def _answered(self, request: Request, items: list[Item]) -> None:
        """Wait for the end of a request.

        Raises:
            Exception: its error.
        """
        loop = asyncio.get_running_loop()
        request.future = loop.create_future()
        timer = loop.call_later(request.deadline - monotonic(), self._expire, request)
        try:
            self._workers.submit(request, items)
            del items  # embedded ones are no longer needed
            await request.future
        except BaseException:  # cancelled, or closed with its loop
            self._workers.drop(request, "cancelled")
            raise
        finally:
            timer.cancel()
        error, request.error = request.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error, request  # a cycle with the error's traceback

    def _left_s(self, timeout_s: float | None) -> Callable[[], float]:
        """Return a function that tells the time left to an act of several requests."""
        deadline = monotonic() + self._limits.allowed_s(timeout_s)
        return lambda: max(deadline - monotonic(), LEAST_TIMEOUT_S)

    def _expire(self, request: Request) -> None:
        passed = f"{monotonic() - request.arrived:.2f} s have passed since the request came"
        error = DeadlineError(f"{passed}; allow more time, or ask later")
        self._workers.drop(request, "expired", error)
        if request.ended and request.future is not None and not request.future.done():
            request.future.set_result(None)
