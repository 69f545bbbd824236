"""POST /classify: zero-shot labels of images."""

from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from twinlens.http.bodies.answers import Classified, ClassifyAnswer
from twinlens.http.bodies.items import Items
from twinlens.http.bodies.requests import ClassifyRequest
from twinlens.http.calls.call import Call
from twinlens.http.errors import invalid
from twinlens.http.options import TEXTS_A_REQUEST
from twinlens.http.routes.embeddings import require_model
from twinlens.model.zero_shot import TEMPLATES, fill_templates
from twinlens.normalization import unit_rows

NAME_CHARACTERS: Final = 1000
"""Most characters of a label or a template: one label of a megabyte in 2,000 templates would be
gigabytes of texts."""


async def classify(call: Call) -> Response:
    """Return the likeliest label of each image."""
    request = await call.json(ClassifyRequest)
    deployment = await call.deployment()
    require_model(deployment, request.model)
    templates = TEMPLATES if request.templates is None else request.templates
    _require_fillable(request.labels, templates)
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


def _require_fillable(labels: Sequence[str], templates: Sequence[str]) -> None:
    """Refuse labels and templates that would make too many texts, or too long ones.

    Raises:
        HttpError: 422, they would.
    """
    if len(labels) * len(templates) > TEXTS_A_REQUEST:
        raise invalid(
            f"{len(labels):,} labels in {len(templates):,} templates are more than "
            f"{TEXTS_A_REQUEST:,} texts; ask for them in parts",
            param="labels",
            code="request_too_large",
        )
    for name, values in (("labels", labels), ("templates", templates)):
        for number, value in enumerate(values):
            if len(value) > NAME_CHARACTERS:
                raise invalid(
                    f"{name}[{number}] has {len(value):,} characters, at most {NAME_CHARACTERS:,} "
                    "are accepted; shorten it",
                    param=f"{name}[{number}]",
                    code="request_too_large",
                )
