"""Items of requests: texts and inline images with their places; no URL is fetched."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from twinlens.errors import quoted
from twinlens.http.errors import invalid
from twinlens.serving.work import Base64Image

Item = str | bytes | Base64Image

SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}:")
HEAD: Final = 64
"""Characters of an image that are looked at here; the rest is read by a worker thread."""


@dataclass(slots=True)
class Items:
    """Texts and images of a request in order, each with its place in the body."""

    content: list[Item] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    def add_text(self, text: str, place: str) -> None:
        """Add a text.

        Raises:
            HttpError: 422, it is empty.
        """
        if not text:
            raise invalid(f"{place} is empty; leave it out", param=place)
        self._add(text, place)

    def add_texts(self, texts: Iterable[str], field_name: str) -> None:
        """Add the texts of a field."""
        for number, text in enumerate(texts):
            self.add_text(text, f"{field_name}[{number}]")

    def add_image(self, image: str, place: str) -> None:
        """Add an image in a data URI or in base64.

        Raises:
            HttpError: 422, it is empty, or the URL of a picture elsewhere.
        """
        if not image:
            raise invalid(f"{place} is empty; leave it out", param=place)
        found = SCHEME.match(image[:HEAD])
        if found is not None and found[0].lower() != "data:":
            raise invalid(
                f"{place} is {quoted(image)}: no URL is fetched, since a server that does can be "
                "sent to its own network; read the picture and send it as "
                "data:image/jpeg;base64,... or raw to /embed",
                param=place,
                code="url_refused",
            )
        self._add(Base64Image(image), place)

    def add_images(self, images: Iterable[str], field_name: str) -> None:
        """Add the images of a field."""
        for number, image in enumerate(images):
            self.add_image(image, f"{field_name}[{number}]")

    def add_raw(self, image: bytes, place: str) -> None:
        """Add the encoded bytes of an image."""
        self._add(image, place)

    def require_some(self, field_name: str) -> None:
        """Refuse a request without items.

        Raises:
            HttpError: 422, there is none.
        """
        if not self.content:
            raise invalid(f"{field_name} is empty; give one item or more", param=field_name)

    @property
    def n_texts(self) -> int:
        """Number of texts."""
        return sum(isinstance(item, str) for item in self.content)

    def _add(self, item: Item, place: str) -> None:
        self.content.append(item)
        self.places.append(place)
