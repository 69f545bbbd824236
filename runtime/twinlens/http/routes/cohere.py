"""POST /v2/embed: version 2 of Cohere's API, as vLLM serves it."""

from starlette.responses import Response

from twinlens.http.bodies.answers import ApiVersion, BilledUnits, CohereAnswer, CohereMeta
from twinlens.http.bodies.encoding import encoded
from twinlens.http.bodies.items import Items
from twinlens.http.bodies.requests import CohereInput, CohereRequest
from twinlens.http.calls.call import Call
from twinlens.http.errors import invalid
from twinlens.http.routes.embeddings import require_model, require_width
from twinlens.serving.work import Priority


async def embed(call: Call) -> Response:
    """Embed texts, images, or inputs of one of them each."""
    request = await call.json(CohereRequest)
    deployment = await call.deployment()
    require_model(deployment, request.model)
    require_width(deployment, request.output_dimension, "output_dimension")
    _require_possible(request)
    items = _items(request)
    answer = await call.embed(
        deployment,
        items,
        call.wish(timeout_ms=request.timeout_ms, priority=_class(request.priority)),
        cut=request.truncate != "NONE",
    )
    forms = dict.fromkeys(request.embedding_types or ["float"])
    if deployment.model.width % 8 and {"binary", "ubinary"} & forms.keys():
        raise invalid(
            f"embedding_types has binary; {deployment.model.width} signs do not fill bytes",
            param="embedding_types",
        )
    return call.answer(
        CohereAnswer(
            id=call.exchange.request_id,
            embeddings={form: await encoded(answer.rows, form) for form in forms},
            texts=request.texts or [],
            meta=CohereMeta(
                api_version=ApiVersion(),
                billed_units=BilledUnits(
                    input_tokens=answer.tokens, images=len(items.content) - items.n_texts
                ),
                tokens={"input_tokens": answer.tokens},
            ),
        )
    )


def _require_possible(request: CohereRequest) -> None:
    if request.truncate == "START":
        raise invalid(
            "truncate is START; a text is cut at its end here: END, or NONE to refuse it",
            param="truncate",
        )
    if request.max_tokens is not None:
        raise invalid(
            "max_tokens is given; the context of the model is the only bound here; leave it out",
            param="max_tokens",
        )
    given = [request.texts, request.images, request.inputs]
    if sum(value is not None for value in given) != 1:
        raise invalid("wanted one of texts, images and inputs", param="inputs")


def _items(request: CohereRequest) -> Items:
    items = Items()
    items.add_texts(request.texts or (), "texts")
    items.add_images(request.images or (), "images")
    for number, value in enumerate(request.inputs or ()):
        _add(items, value, f"inputs[{number}].content")
    items.require_some("texts" if request.texts is not None else "inputs")
    return items


def _add(items: Items, value: CohereInput, place: str) -> None:
    if len(value.content) != 1:
        raise invalid(
            f"{place} has {len(value.content)} parts, wanted one: text and image have a row each",
            param=place,
        )
    (part,) = value.content
    if part.type == "text" and part.text is not None and part.image_url is None:
        items.add_text(part.text, f"{place}[0].text")
    elif part.type == "image_url" and part.image_url is not None and part.text is None:
        items.add_image(part.image_url.url, f"{place}[0].image_url.url")
    else:
        raise invalid(f"{place}[0] is not what its type says: {part.type}", param=f"{place}[0]")


def _class(priority: Priority | int | None) -> Priority | None:
    return None if isinstance(priority, int) else priority
