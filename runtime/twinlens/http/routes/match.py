"""POST /match: probabilities that pairs match."""

import numpy as np
from starlette.responses import Response

from twinlens.http.bodies.answers import MatchAnswer
from twinlens.http.bodies.items import Items
from twinlens.http.bodies.requests import MatchRequest
from twinlens.http.calls.call import Call
from twinlens.http.errors import invalid
from twinlens.http.routes.embeddings import require_model


async def match(call: Call) -> Response:
    """Return the calibrated probability of each pair, or 409 if the bundle has no calibration."""
    request = await call.json(MatchRequest)
    deployment = await call.deployment()
    require_model(deployment, request.model)
    model = deployment.model
    calibration = model.calibration
    if not request.pairs:
        raise invalid("pairs is empty; give one or more", param="pairs")
    items = Items()
    for number, pair in enumerate(request.pairs):
        items.add_image(pair.image, f"pairs[{number}].image")
    for number, pair in enumerate(request.pairs):
        items.add_text(pair.text, f"pairs[{number}].text")
    wish = call.wish(timeout_ms=request.timeout_ms, priority=request.priority)
    answer = await call.embed(deployment, items, wish)
    images, texts = np.split(answer.rows, 2)
    cosines = np.einsum("bd,bd->b", images, texts)
    return call.answer(
        MatchAnswer(
            probabilities=calibration.probability(cosines, prior=request.prior).tolist(),
            level=model.level,
            model=deployment.name,
            truncated=tuple(place - len(images) for place in answer.truncated),
        )
    )
