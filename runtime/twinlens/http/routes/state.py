"""GET routes: the model, the health of the service, its metrics and its description."""

from importlib.resources import files
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from twinlens.http.bodies.answers import Health, ModelEntry, ModelsAnswer
from twinlens.http.calls.call import Call
from twinlens.http.errors import not_ready

DESCRIPTION: Final = "openapi.json"


async def models(call: Call) -> Response:
    """Return the list of models, which has one."""
    deployment = await call.deployment()
    entry = ModelEntry(id=deployment.name, created=deployment.created, twinlens=deployment.maker)
    return call.answer(ModelsAnswer(data=[entry]))


async def live(call: Call) -> Response:
    """Return 200 while a new process would help no better: 503 once every worker is dead."""
    if call.service.is_broken:
        raise not_ready("every worker is dead; start the process anew", code="workers_dead")
    return call.answer(Health(status="live"))


async def ready(call: Call) -> Response:
    """Return 200 while requests are to be sent here; a full queue changes nothing."""
    service = call.service
    if service.draining:
        raise not_ready("the service is about to end", code="draining")
    if not service.is_ready:
        raise not_ready("the model is not open and warm, or a worker is dead")
    return call.answer(Health(status="ready"))


async def metrics(call: Call) -> Response:
    """Return the metrics in the text format of Prometheus."""
    return call.answer(generate_latest(call.service.metrics.registry), CONTENT_TYPE_LATEST)


async def openapi(call: Call) -> Response:
    """Return the description of this interface in OpenAPI."""
    return call.answer((files("twinlens.http") / DESCRIPTION).read_bytes())
