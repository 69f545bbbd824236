"""POST /v1/embeddings: OpenAI's API, with infinity's `modality` and Jina's mixed lists."""

from starlette.responses import Response

from twinlens.errors import quoted
from twinlens.http.bodies.answers import Embedding, EmbeddingsAnswer, EmbeddingsMaker, Usage
from twinlens.http.bodies.encoding import encoded
from twinlens.http.bodies.items import Items
from twinlens.http.bodies.requests import EmbeddingsRequest, Part
from twinlens.http.calls.call import Call
from twinlens.http.errors import HttpError, invalid
from twinlens.http.service.deployment import Deployment


async def embeddings(call: Call) -> Response:
    """Embed texts, images, or both."""
    request = await call.json(EmbeddingsRequest)
    deployment = await call.deployment()
    require_model(deployment, request.model)
    require_width(deployment, request.dimensions, "dimensions")
    _require_plain(request)
    answer = await call.embed(
        deployment,
        _items(request),
        call.wish(timeout_ms=request.timeout_ms, priority=request.priority),
        cut=request.truncate,
    )
    rows = await encoded(answer.rows, request.embedding_type or request.encoding_format or "float")
    maker = deployment.maker
    return call.answer(
        EmbeddingsAnswer(
            model=deployment.name,
            data=[Embedding(index=index, embedding=row) for index, row in enumerate(rows)],
            usage=Usage(prompt_tokens=answer.tokens, total_tokens=answer.tokens),
            twinlens=EmbeddingsMaker(
                maker.towers, maker.precision, maker.pixels, maker.width, answer.truncated
            ),
        )
    )


def require_model(deployment: Deployment, asked: str | None) -> None:
    """Refuse a request for another model than the one that is served.

    Raises:
        HttpError: 404, it names another.
    """
    if asked is not None and asked != deployment.name:
        raise HttpError(
            404,
            f"model is {quoted(asked)}, and this server has {quoted(deployment.name)}",
            code="model_not_found",
            param="model",
        )


def require_width(deployment: Deployment, asked: int | None, field: str) -> None:
    """Refuse a width other than the model's: these embeddings cannot be cut.

    Raises:
        HttpError: 422, it is another.
    """
    width = deployment.model.width
    if asked is not None and asked != width:
        raise invalid(
            f"{field} is {asked}; the embeddings of this model have {width} numbers and cannot be "
            "cut; leave it out",
            param=field,
        )


def _require_plain(request: EmbeddingsRequest) -> None:
    """Refuse choices of Jina's API that would change the rows."""
    if not request.normalized:
        raise invalid(
            "normalized is false; rows of this model are always of length 1", param="normalized"
        )
    if request.late_chunking:
        raise invalid(
            "late_chunking is true; each text is embedded alone here", param="late_chunking"
        )


def _items(request: EmbeddingsRequest) -> Items:
    items = Items()
    if isinstance(request.input, str):
        _add(items, request.input, "input", request)
    else:
        for number, value in enumerate(request.input):
            _add(items, value, f"input[{number}]", request)
    items.require_some("input")
    return items


def _add(
    items: Items, value: str | int | list[int] | Part, place: str, request: EmbeddingsRequest
) -> None:
    if isinstance(value, str):
        add = items.add_text if request.modality == "text" else items.add_image
        add(value, place)
    elif isinstance(value, Part):
        _add_part(items, value, place)
    else:
        raise invalid(
            f"{place} is made of token ids, of a vocabulary that this model does not have; send "
            "strings (LangChain: OpenAIEmbeddings(check_embedding_ctx_length=False))",
            param=place,
            code="token_ids_refused",
        )


def _add_part(items: Items, part: Part, place: str) -> None:
    if (part.text is None) == (part.image is None):
        both = part.text is not None
        raise invalid(
            f"{place} has {'text and image' if both else 'neither text nor image'}; "
            "give one of them: each has a row of its own",
            param=place,
        )
    if part.text is not None:
        items.add_text(part.text, f"{place}.text")
    elif part.image is not None:
        items.add_image(part.image, f"{place}.image")
