"""Options of the service: limits of one request and of all, and the doors that are open."""

from dataclasses import dataclass
from typing import Final

from twinlens.serving.admission_limits import AdmissionLimits

TEXTS_A_REQUEST: Final = 2048
"""Most inputs of a request to OpenAI's own API; LangChain sends 1,000 at once."""
MAX_QUEUE: Final = 4 * TEXTS_A_REQUEST
"""Items of one kind and priority that may wait; their estimated time is bounded as well."""
IMAGES_A_REQUEST: Final = 32
MOST_HITS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """Limits and doors of the service."""

    timeout_s: float = 10.0
    """Time for an answer, from the whole request on; a request may ask for less."""
    max_body_bytes: int = 32 << 20
    max_held_bytes: int = 256 << 20
    """Bytes of bodies held at one time, over all requests."""
    max_requests: int = 1000
    """Requests in progress at one time."""
    body_grace_s: float = 10.0
    """Time in which a body may come at any pace."""
    slowest_bytes_per_s: int = 16 << 10
    """Pace of a body after that, on average."""
    allowed_hosts: tuple[str, ...] = ()
    """Names that the header `host` may have; () for any."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call; () for none."""


def admission(max_queue: int | None, timeout_s: float) -> AdmissionLimits:
    """Return the limits of the engine for a queue of so many items; None for the default."""
    return AdmissionLimits(
        max_items=max_queue or MAX_QUEUE,
        texts_a_request=TEXTS_A_REQUEST,
        images_a_request=IMAGES_A_REQUEST,
        timeout_s=timeout_s,
    )
