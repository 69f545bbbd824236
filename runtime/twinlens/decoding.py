"""The decoding: images become pixels a little ahead of the tower that embeds them."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle import ImageSpec
from twinlens.errors import ImageError
from twinlens.images import ImageLike, load

IMAGES_AT_ONCE: Final = 16

Numbered = tuple[int, ImageLike]
"""An image, and the index that its error names."""
Decoded = tuple[int, NDArray[np.uint8] | ImageError]
"""Its index, and its pixels [S, S, 3] or why there are none."""


def decoded(
    images: Iterable[Numbered], spec: ImageSpec, *, threads: int
) -> Generator[list[Decoded]]:
    """The images in batches; while one is embedded, the next two are decoded.

    Pillow lets go of the interpreter while it decodes, so threads do it side by side.
    """

    def decode(numbered: Numbered) -> Decoded:
        number, image = numbered
        try:
            return number, load(image, spec)
        except ImageError as error:
            return number, error

    source = iter(images)
    batches = iter(lambda: list(islice(source, IMAGES_AT_ONCE)), [])
    pool = ThreadPoolExecutor(threads)
    try:
        ahead = deque(pool.map(decode, batch) for batch in islice(batches, 2))
        while ahead:
            batch = list(ahead.popleft())
            ahead.extend(pool.map(decode, batch) for batch in islice(batches, 1))
            yield batch
    finally:
        # After an error nobody wants those that wait.
        pool.shutdown(cancel_futures=True)
