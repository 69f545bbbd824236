"""POST /labels: shares of a picture among labels that the user types."""

from starlette.responses import Response

from twinlens.browsing.bodies import LabelsAnswer, LabelsRequest, Share
from twinlens.browsing.library.library import Library
from twinlens.browsing.routes.hits import no_picture
from twinlens.http.calls.call import Call
from twinlens.http.errors import HttpError, as_http_error, invalid


class LabelRoutes:
    """Route that shares a picture out among labels."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def labels(self, call: Call) -> Response:
        """Return the share of each label; not probabilities: they are of these labels alone."""
        request = await call.json(LabelsRequest)
        number = self._library.catalogue.find(request.ref)
        if number is None:
            raise no_picture("ref")
        deployment = await call.deployment()
        if deployment.index is None:
            raise HttpError(404, "there is no index", code="no_index")
        serving = deployment.serving
        try:
            label_rows = await call.while_connected(serving.embed_labels(request.labels))
        except ValueError as error:
            raise as_http_error(error) or invalid(str(error), param="labels") from None
        row = deployment.index.get([self._library.catalogue[number].id])
        classes = deployment.model.classify_rows(row, label_rows, labels=request.labels)
        shares = sorted(
            (
                Share(label=label, share=round(share, 4))
                for label, share in zip(
                    classes.labels, classes.probabilities[0].tolist(), strict=True
                )
            ),
            key=lambda one: -one.share,
        )
        return call.answer(LabelsAnswer(shares=shares))
