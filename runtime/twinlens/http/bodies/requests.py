"""Bodies of requests: the fields of each, and nothing else."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from twinlens.http.options import MOST_HITS
from twinlens.serving.work import Priority

PositiveMs = Annotated[float, Meta(gt=0)]
Hits = Annotated[int, Meta(ge=1, le=MOST_HITS)]
Prior = Annotated[float, Meta(gt=0, lt=1)]
FloatFormat = Literal["float", "base64"]
CohereFormat = Literal["float", "base64", "binary", "ubinary"]


class Wishes(Struct, forbid_unknown_fields=True, kw_only=True):
    """Fields of every request."""

    model: str | None = None
    timeout_ms: PositiveMs | None = None
    """Time for the answer; it may only shorten the server's own."""
    priority: Priority | None = None


class Part(Struct, forbid_unknown_fields=True):
    """Text or image of a mixed list, as Jina's API has it."""

    text: str | None = None
    image: str | None = None


class EmbeddingsRequest(Wishes, kw_only=True):
    """Request of OpenAI's API, with `modality` of infinity's and the mixed lists of Jina's."""

    input: str | list[str | int | list[int] | Part]
    encoding_format: FloatFormat | None = None
    """"float" by default."""
    dimensions: int | None = None
    user: str | None = None
    modality: Literal["text", "image"] = "text"
    embedding_type: FloatFormat | None = None
    normalized: bool = True
    task: str | None = None
    late_chunking: bool = False
    truncate: bool = True
    """False refuses a text longer than the context."""


class ImageUrl(Struct):
    """Image in a data URI."""

    url: str


class Content(Struct, forbid_unknown_fields=True):
    """Text or image of an input of Cohere's API."""

    type: Literal["text", "image_url"]
    text: str | None = None
    image_url: ImageUrl | None = None


class CohereInput(Struct, forbid_unknown_fields=True):
    """Input of Cohere's API."""

    content: list[Content]


class CohereRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    """Request of version 2 of Cohere's API, as vLLM serves it."""

    model: str | None = None
    texts: list[str] | None = None
    images: list[str] | None = None
    inputs: list[CohereInput] | None = None
    input_type: str | None = None
    embedding_types: list[CohereFormat] | None = None
    output_dimension: int | None = None
    truncate: Literal["NONE", "START", "END"] = "END"
    max_tokens: int | None = None
    timeout_ms: PositiveMs | None = None
    priority: Priority | int | None = None
    """A class of ours; Cohere's numbers are taken and mean nothing here."""


class Pair(Struct, forbid_unknown_fields=True):
    """Image and text that may match."""

    image: str
    text: str


class MatchRequest(Wishes, kw_only=True):
    """Pairs whose match probabilities are asked for."""

    pairs: list[Pair]
    prior: Prior | None = None
    """Share of matching pairs expected; that of the calibration by default."""


class ClassifyRequest(Wishes, kw_only=True):
    """Images to be classified into labels."""

    images: list[str]
    labels: list[str]
    templates: list[str] | None = None


class SearchRequest(Wishes, kw_only=True):
    """Queries to the index: texts or images."""

    texts: list[str] | None = None
    images: list[str] | None = None
    k: Hits = 10
