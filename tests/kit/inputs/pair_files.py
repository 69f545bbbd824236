"""Files of pairs: images, tables and tars of the tests of data sets."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image


def png(shade: int = 0) -> bytes:
    """Encode a PNG of 4 x 4 pixels."""
    packed = io.BytesIO()
    Image.new("RGB", (4, 4), (shade, 0, 0)).save(packed, "PNG")
    return packed.getvalue()


def table(folder: Path, text: str, name: str = "pairs.csv") -> Path:
    """Write a table; its line ends stay as they are."""
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def shard(folder: Path, members: Mapping[str, bytes], mode: str = "w") -> Path:
    """Write a tar of these members."""
    path = folder / "shard.tar"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
