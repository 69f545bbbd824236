"""Room for the bodies of all requests in progress."""

from twinlens.http.errors import overloaded


class BodyRoom:
    """Bytes of bodies that are held at one time, of at most so many.

    The event loop alone uses it: it has no lock.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most, self.held = most_bytes, 0

    def take(self, n_bytes: int) -> None:
        """Hold more bytes.

        Raises:
            HttpError: 429, there is no room for them now.
        """
        if self.held + n_bytes > self._most:
            raise overloaded(
                f"the bodies of other requests fill the {self._most:,} bytes of room; come again"
            )
        self.held += n_bytes

    def give_back(self, n_bytes: int) -> None:
        """Hold so many bytes less."""
        self.held -= n_bytes
