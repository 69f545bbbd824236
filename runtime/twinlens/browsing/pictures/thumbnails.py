"""Thumbnails: made once, on demand, and kept by the hash of their picture."""

import asyncio
import hashlib
import io
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from twinlens.browsing.library.library import Library
from twinlens.images.image_like import ReadContent
from twinlens.images.shrunk import shrink
from twinlens.threads import usable_threads

SIDE_PX: Final = 256
"""Shorter edge of a thumbnail."""
VIEW_PX: Final = 1280
"""Shorter edge of a view, a picture as large as a screen."""
QUALITY: Final = 80
VERSION: Final = b"1"
"""Part of the hash: another making has other names."""
RIFF: Final = 8
"""Bytes before those that a WEBP file counts in its head."""


class Thumbnails:
    """Thumbnails and views of a library, in WEBP: no file of a user reaches a browser as it is.

    Made by threads of their own: a search does not wait behind them.
    """

    def __init__(self, library: Library, folder: Path) -> None:
        self._library, self._folder = library, folder
        self._threads = ThreadPoolExecutor(usable_threads(), thread_name_prefix="thumbnail")
        self._places: dict[int, Path] = {}
        read = library.read
        self._making = f"{VERSION!r} {SIDE_PX} {read.upright} {read.background}".encode()

    async def thumbnail(self, number: int) -> bytes:
        """Return the thumbnail of a picture.

        Raises:
            ImageError: the picture cannot be read.
        """
        return await self._run(self._thumbnail, number)

    async def view(self, number: int) -> bytes:
        """Return a picture as large as a screen; it is not kept.

        Raises:
            ImageError: the picture cannot be read.
        """
        return await self._run(self._view, number)

    def close(self) -> None:
        """End the threads; what waits for them is not made."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _run(self, make: Callable[[int], bytes], number: int) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self._threads, make, number)

    def _thumbnail(self, number: int) -> bytes:
        self._library.place(number)  # or an error: the thumbnail of a file that left is not shown
        place = self._places.get(number)
        if place is not None and (kept := _kept(place)) is not None:
            return kept
        picture = self._library.content(number)
        digest = hashlib.sha256(self._making + picture.content).hexdigest()[:40]
        place = self._folder / digest[:2] / f"{digest}.webp"
        found = _kept(place)
        if found is None:
            found = self._webp(picture, SIDE_PX)
            _keep(place, found)
        self._places[number] = place
        return found

    def _view(self, number: int) -> bytes:
        return self._webp(self._library.content(number), VIEW_PX)

    def _webp(self, picture: ReadContent, side_px: int) -> bytes:
        small = shrink(picture, side_px=side_px, read=self._library.read)
        file = io.BytesIO()
        small.save(file, "WEBP", quality=QUALITY, method=2)
        return file.getvalue()


def _kept(place: Path) -> bytes | None:
    """Return a thumbnail that is there and whole; a loss of power may have cut it."""
    try:
        content = place.read_bytes()
    except OSError:
        return None
    n_bytes = int.from_bytes(content[4:8], "little") + RIFF
    return content if content[:4] == b"RIFF" and n_bytes == len(content) else None


def _keep(place: Path, content: bytes) -> None:
    """Write a thumbnail as a whole, if there is room: it is shown all the same."""
    draft = place.with_name(f".{secrets.token_hex(8)}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(place)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
