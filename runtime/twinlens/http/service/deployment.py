"""Deployment: a bundle in service, with the engine on it and the index beside it."""

import asyncio
import logging
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from twinlens.bundle.calibration import CalibrationLevel
from twinlens.errors import IndexFileError
from twinlens.http.bodies.answers import Maker
from twinlens.http.options import admission
from twinlens.http.service.metrics import Metrics
from twinlens.http.service.scans import Scans
from twinlens.index.index import Index
from twinlens.loading import load
from twinlens.model.model import Model
from twinlens.provenance import check_about
from twinlens.serving.async_model import AsyncModel

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Places and choices that a deployment is opened from, again at each reload."""

    bundle: str
    index: Path | None
    name: str
    device: str
    precision: str
    pixels: str
    threads: int | None
    max_queue: int | None
    timeout_s: float
    preempt: bool = True
    """True if the system may interrupt images and bulk work for interactive texts."""
    level: CalibrationLevel | None = None
    """Level of the probabilities; None for the bundle's own."""


@dataclass(slots=True, eq=False, kw_only=True)
class Deployment:
    """A bundle in service, and the number of requests that are at work on it."""

    name: str
    created: int
    """Seconds since 1970 at which it was opened."""
    model: Model
    serving: AsyncModel
    index: Index | None
    scans: Scans
    """Scans of the index."""
    no_image_queries: str | None
    """Reason why images cannot be queries to the index, if they cannot."""
    users: int = 0
    unused: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a deployment that takes no more users has none."""

    @property
    def maker(self) -> Maker:
        """Maker of its embeddings."""
        model = self.model
        return Maker(
            towers=model.towers_key,
            precision=model.precision,
            pixels=model.pixels,
            width=model.width,
        )

    @classmethod
    async def open(cls, source: Source, metrics: Metrics, *, created: int) -> Self:
        """Open the files in a thread, start the engine, and wait until it is warm.

        Raises:
            TwinlensError: the bundle or the index is damaged, or they do not fit each other.
            OSError: one of them cannot be read.
        """
        model, index, reason = await asyncio.to_thread(_read, source)
        serving = AsyncModel(
            model,
            limits=admission(source.max_queue, source.timeout_s),
            workers=source.threads,
            observer=metrics,
            preempt=source.preempt,
        )
        serving.start()
        try:
            await serving.wait_ready()
        except BaseException:
            await serving.aclose()
            raise
        return cls(
            name=source.name,
            created=created,
            model=model,
            serving=serving,
            index=index,
            scans=Scans(threads=serving.workers, most_wait_s=serving.limits.max_interactive_wait_s),
            no_image_queries=reason,
        )

    def leave(self) -> None:
        """End a request's work on it."""
        self.users -= 1
        if self.users == 0:
            self.unused.set()

    async def close(self, timeout_s: float) -> int:
        """Wait for its users, end the engine; return the number of requests left over.

        It is in service no more, so that nobody becomes a user.
        """
        if self.users:
            self.unused.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.unused.wait(), timeout_s)
        self.scans.close()
        left = await self.serving.drain(timeout_s)
        try:
            await asyncio.wait_for(self.serving.aclose(), timeout_s)
        except TimeoutError:  # a run that does not end keeps its model
            logger.warning("a worker is still at work after %.1f s", timeout_s)
        else:
            await asyncio.to_thread(self.model.close)
        return left


def _read(source: Source) -> tuple[Model, Index | None, str | None]:
    index = None if source.index is None else Index.open(source.index)
    # One thread a session: the engine's workers share it, and none spins.
    model = load(
        source.bundle,
        device=source.device,
        precision=source.precision,
        threads=1,
        pixels=source.pixels,
        level=source.level,
    )
    if index is None:
        return model, None, None
    try:
        return model, index, _refused_queries(index, model)
    except BaseException:
        model.close()
        raise


def _refused_queries(index: Index, model: Model) -> str | None:
    """Refuse an index of another model; return the reason if only images cannot be queries."""
    if index.width != model.width:
        raise IndexFileError(
            f"the index has rows of width {index.width}, this model makes {model.width}; "
            "make the index again"
        )
    mixed = {"precision"}
    check_about(index.about, model.about, modality="text", mixed=mixed)
    try:
        check_about(index.about, model.about, modality="image", mixed=mixed)
    except IndexFileError as error:
        logger.warning("only texts can be queries: %s", error)
        return str(error)
    return None


def default_name(bundle: str | os.PathLike[str]) -> str:
    """Return the name of the bundle's folder: requests name the model by it."""
    return Path(os.path.abspath(bundle)).name  # noqa: PTH100  "." and ".." have names too
