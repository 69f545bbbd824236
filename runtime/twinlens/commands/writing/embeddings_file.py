"""The .npz of `twinlens embed`: embeddings, and their names in as many bytes as they have.

    embeddings  float32 [B, D], unit rows
    name_utf8   uint8 [M], the names in UTF-8, one behind the other
    name_ends   int64 [B], the end of each name in `name_utf8`

Plain numpy reads it, without pickle. An array of str would give each name the width of the longest,
four bytes a letter: a million short texts and one of 4,000 letters make 16 GB.

    rows = np.load("rows.npz")
    text, ends = rows["name_utf8"].tobytes(), rows["name_ends"].tolist()
    names = [text[start:end].decode() for start, end in zip([0, *ends], ends)]
"""

from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray


def write_embeddings(file: BinaryIO, embeddings: NDArray[np.float32], names: Sequence[str]) -> None:
    """Write embeddings [B, D] and their names [B] into a file, which need not be seekable."""
    # The name of a file need not be text; the bytes of an index's ids are the same.
    letters = [name.encode("utf-8", "surrogatepass") for name in names]
    np.savez(
        file,
        embeddings=embeddings,
        name_utf8=np.frombuffer(b"".join(letters), dtype=np.uint8),
        name_ends=np.cumsum([len(name) for name in letters], dtype=np.int64),
    )
