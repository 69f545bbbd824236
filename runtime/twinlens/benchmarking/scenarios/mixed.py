"""Mixed: interactive texts beside bulk requests of images, one of which is always at work."""

import asyncio
from functools import partial

from twinlens.benchmarking.measures.arrivals import poisson
from twinlens.benchmarking.measures.quantiles import Quantiles
from twinlens.benchmarking.options import Settings
from twinlens.benchmarking.record import Result
from twinlens.benchmarking.scenarios.loads import Asker, OpenLoop, closed_loop
from twinlens.benchmarking.scenarios.server import point_of, reason_of, series_of

TEXTS = "mixed, texts beside bulk images"
BULK = "mixed, bulk images beside texts"


async def beside_bulk(asker: Asker, settings: Settings, *, seconds: float) -> list[Result]:
    """Send texts by chance at a fixed rate while one bulk request follows upon the other."""
    due = poisson(settings.texts_a_second, seconds=seconds, seed=f"{settings.seed} mixed")
    texts = OpenLoop(partial(asker.ask, "text"), due, late_ms=settings.bound_ms)
    arrivals, spans = await asyncio.gather(
        texts.run(), closed_loop(partial(asker.ask, "bulk"), callers=1, seconds=seconds)
    )
    point = point_of(arrivals, settings.texts_a_second, settings.bound_ms, is_cut=False)
    reason = reason_of(point, len(arrivals), settings.bound_ms)
    interactive = Result(
        scenario="mixed",
        name=TEXTS,
        query="text",
        quantiles=point.quantiles,
        items_per_s=point.answered,
        valid=reason is None,
        reason=reason,
        series=series_of(arrivals),
        notes={
            "offered_per_s": settings.texts_a_second,
            "lag_p99_ms": point.lag_p99_ms,
        },
    )
    took = spans[-1][1] - spans[0][0] if spans else 0.0
    bulk = Result(
        scenario="mixed",
        name=BULK,
        query="image",
        items=settings.bulk_images,
        quantiles=Quantiles.of([1e3 * (end - begun) for begun, end in spans]),
        items_per_s=settings.bulk_images * len(spans) / took if took else None,
        valid=bool(spans),
        reason=None if spans else "a bulk request was refused, or not answered",
    )
    return [interactive, bulk]
