"""POST /classify: zero-shot labels of images."""

from starlette.responses import Response

from twinlens.http.bodies.answers import Classified, ClassifyAnswer
from twinlens.http.bodies.items import Items
from twinlens.http.bodies.requests import ClassifyRequest
from twinlens.http.calls.call import Call
from twinlens.http.errors import invalid
from twinlens.http.routes.embeddings import require_model
from twinlens.model.zero_shot import TEMPLATES, fill_templates
from twinlens.normalization import unit_rows


async def classify(call: Call) -> Response:
    """Return the likeliest label of each image."""
    request = await call.json(ClassifyRequest)
    deployment = await call.deployment()
    require_model(deployment, request.model)
    templates = TEMPLATES if request.templates is None else request.templates
    try:
        texts = fill_templates(request.labels, templates)
    except ValueError as error:
        raise invalid(str(error), param="labels") from None
    items = Items()
    items.add_images(request.images, "images")
    items.require_some("images")
    for number, text in enumerate(texts):
        items.add_text(text, f"labels[{number // len(templates)}]")
    wish = call.wish(timeout_ms=request.timeout_ms, priority=request.priority)
    rows = (await call.embed(deployment, items, wish)).rows
    n_images, n_labels = len(request.images), len(request.labels)
    means = rows[n_images:].reshape(n_labels, len(templates), -1).mean(axis=1)
    classes = deployment.model.classify_rows(
        rows[:n_images], unit_rows(means), labels=request.labels
    )
    return call.answer(
        ClassifyAnswer(
            results=[
                Classified(label=best or "", shares=dict(zip(classes.labels, shares, strict=True)))
                for best, shares in zip(classes.best, classes.probabilities.tolist(), strict=True)
            ],
            model=deployment.name,
        )
    )
