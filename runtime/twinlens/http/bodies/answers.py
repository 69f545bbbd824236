"""Bodies of answers."""

from msgspec import Raw, Struct


class ErrorDetail(Struct):
    """Error as OpenAI's API tells it."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(Struct):
    """Body of every error."""

    error: ErrorDetail


class Maker(Struct):
    """Maker of embeddings: those of two makers are not comparable."""

    towers: str
    precision: str
    pixels: str
    width: int


class EmbeddingsMaker(Maker):
    """Maker of embeddings, and the places of texts that were longer than the context."""

    truncated: tuple[int, ...] = ()


class Embedding(Struct):
    """One row: a list of floats, or little-endian float32 in base64."""

    index: int
    embedding: Raw
    object: str = "embedding"


class Usage(Struct):
    """Tokens of the texts."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(Struct):
    """Answer of OpenAI's API."""

    model: str
    data: list[Embedding]
    usage: Usage
    twinlens: EmbeddingsMaker
    object: str = "list"


class ApiVersion(Struct):
    """Version of Cohere's API."""

    version: str = "2"


class BilledUnits(Struct):
    """Tokens and images of a request."""

    input_tokens: int
    images: int


class CohereMeta(Struct):
    """Version and usage of an answer of Cohere's API."""

    api_version: ApiVersion
    billed_units: BilledUnits
    tokens: dict[str, int]


class CohereAnswer(Struct):
    """Answer of version 2 of Cohere's API."""

    id: str
    embeddings: dict[str, list[Raw]]
    texts: list[str]
    meta: CohereMeta
    response_type: str = "embeddings_by_type"


class RawAnswer(Struct):
    """Embedding of one picture that came as it is."""

    embedding: Raw
    model: str
    twinlens: Maker


class MatchAnswer(Struct):
    """Match probabilities of pairs, in their order."""

    probabilities: list[float]
    level: str
    model: str
    truncated: tuple[int, ...]


class Classified(Struct):
    """Likeliest label of an image, and the shares of all; they are no match probabilities."""

    label: str
    shares: dict[str, float]


class ClassifyAnswer(Struct):
    """Labels of images, in their order."""

    results: list[Classified]
    model: str


class Hit(Struct, omit_defaults=True):
    """Row of the index near to a query; `error` bounds the cosine if codes alone are kept."""

    id: int | str
    row: int
    cosine: float
    error: float | None = None


class SearchResult(Struct, omit_defaults=True):
    """Hits of one query, best first; `exact` if these are proven, where codes alone are kept."""

    hits: list[Hit]
    exact: bool | None = None


class SearchAnswer(Struct):
    """Hits of the queries, in their order."""

    results: list[SearchResult]
    model: str
    truncated: tuple[int, ...]


class ModelEntry(Struct):
    """Model as OpenAI's list of them tells it."""

    id: str
    created: int
    twinlens: Maker
    object: str = "model"
    owned_by: str = "twinlens"


class ModelsAnswer(Struct):
    """List of the models, which has one."""

    data: list[ModelEntry]
    object: str = "list"


class Health(Struct):
    """State of the service."""

    status: str
