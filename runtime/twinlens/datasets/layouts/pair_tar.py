"""Pairs in a tar in webdataset layout: the members key.jpg and key.txt are one pair."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from twinlens.datasets.formats.tar_archive import TarDamage, TarMember, tar_members
from twinlens.datasets.hidden_names import is_hidden
from twinlens.datasets.image_tar import is_image_member
from twinlens.datasets.pairs import Lose, Pairs
from twinlens.datasets.quoting import quoted_path, quoted_value
from twinlens.errors import DatasetError, ImageError, PairsError, quoted

logger = logging.getLogger(__name__)

CAPTION: Final = ".txt"
RECORD: Final = ".json"


@dataclass(slots=True, kw_only=True)
class TarSample:
    """Images and captions of one key, each by its whole name."""

    key: str
    images: dict[PurePosixPath, bytes] = field(default_factory=dict)
    captions: dict[PurePosixPath, bytes] = field(default_factory=dict)
    records: dict[PurePosixPath, bytes] = field(default_factory=dict)
    """Members key.json: they have the captions where there is no .txt."""

    def pairs(self) -> list[tuple[bytes, PurePosixPath]] | None:
        """Return each image with the name of its caption; None unless all have one.

        A single image belongs to a single caption. Several, as 10.20.jpg and 10.30.jpg of the key
        10, belong to the captions that differ from them in the suffix only.
        """
        texts = self.texts()
        if len(self.images) == len(texts) == 1:
            return list(zip(self.images.values(), texts, strict=True))
        found = {name.with_suffix(""): image for name, image in self.images.items()}
        named = {name.with_suffix(""): name for name in texts}
        # Names of one stem, as 0.png and 0.jpg, would have one caption.
        if len(found) < len(self.images) or found.keys() != named.keys():
            return None
        return [(image, named[stem]) for stem, image in found.items()]

    def texts(self) -> dict[PurePosixPath, bytes]:
        """Return the members with the captions."""
        return self.captions or self.records


def read_tar_pairs(path: Path, *, lose: Lose) -> Pairs:
    """Read the pairs of a tar, compressed or not, once from front to back.

    Nothing is written to disk, so a member's name is used as a key only. The encoded images stay in
    memory. Where there is no key.txt, the captions are those of key.json: "caption" or "text", one
    or a list. Hidden files and members that are none of these are left out; a caption without an
    image, such as README.txt, is left out with a warning.

    Raises:
        PairsError: an image lacks its text, or the file is not a whole tar.
    """
    images: list[bytes] = []
    texts: list[str] = []
    lonely: PairsError | None = None
    for sample in _samples(path, lose):
        pairs = sample.pairs()
        if pairs:
            for image, name in pairs:
                try:
                    where = f"{quoted_path(path)}: {quoted_path(name)}"
                    found = _captions(sample.texts()[name], name, where)
                except PairsError as error:
                    lose(error)
                else:
                    texts += found
                    images += [image] * len(found)
            continue
        problem = _half_a_pair(path, sample)
        if sample.images:
            lose(problem)
        elif sample.captions:
            logger.warning("%s; it is left out", problem)
        lonely = lonely or problem
    if not images:
        raise lonely or PairsError(
            f"{quoted_path(path)} holds no pairs; wanted key.jpg and key.txt of each"
        )
    return Pairs(images=images, texts=texts)


def _half_a_pair(path: Path, sample: TarSample) -> PairsError:
    found = ", ".join(name.suffix.lower() for name in (*sample.images, *sample.captions))
    return PairsError(
        f"{quoted_path(path)} has {quoted(found) or 'neither'} of {quoted_value(sample.key)}, "
        "wanted one image and one .txt"
    )


def _captions(content: bytes, name: PurePosixPath, where: str) -> list[str]:
    """Return the caption of a .txt, or those of a .json."""
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise PairsError(f"{where} is not UTF-8: {error.reason}") from error
    if not text:
        raise PairsError(f"{where} is empty")
    if _is_caption(str(name)):
        return [text]
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PairsError(f"{where} is not JSON: {quoted(str(error))}") from error
    fields = record if isinstance(record, dict) else {}
    found = next((fields[key] for key in ("caption", "text") if fields.get(key)), None)
    captions = []
    for caption in found if isinstance(found, list) else [found]:
        if not isinstance(caption, str) or not caption.strip():
            raise PairsError(f"{where} has no text in 'caption' or 'text': {quoted_value(caption)}")
        captions.append(caption.strip())
    return captions


def _samples(path: Path, lose: Lose) -> Iterator[TarSample]:
    """Yield the sample of each key; its members must be adjacent."""
    done: set[str] = set()
    sample: TarSample | None = None
    for member in _members(path, lose):
        place = PurePosixPath(member.name)
        # webdataset's rule: the key ends at the first dot of the name itself.
        key = str(place.parent / place.name.partition(".")[0])
        if sample is None or key != sample.key:
            if sample is not None:
                done.add(sample.key)
                yield sample
            sample = TarSample(key=key)
            if key in done:
                where = f"{quoted_path(path)} has {quoted_value(key)} in two places"
                lose(PairsError(f"{where}; pack each pair together"))
        into = sample.records if _is_record(member.name) else sample.images
        into = sample.captions if _is_caption(member.name) else into
        if isinstance(member.content, ImageError):
            lose(PairsError(f"{quoted_path(path)}: {member.content}"))
        elif place in into:
            lose(PairsError(f"{quoted_path(path)} has {quoted(member.name)} twice"))
        elif member.content is not None:
            into[place] = member.content
    if sample is not None:
        yield sample


def _members(path: Path, lose: Lose) -> Iterator[TarMember]:
    """Yield the members that are not hidden."""
    try:
        members = tar_members(
            path, wanted=lambda n: is_image_member(n) or _is_caption(n) or _is_record(n)
        )
        for member in members:
            if isinstance(member, TarDamage):
                lose(PairsError(str(member.error)))
            elif not is_hidden(PurePosixPath(member.name).parts):
                yield member
    except DatasetError as error:
        raise PairsError(str(error)) from error


def _is_caption(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() == CAPTION


def _is_record(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() == RECORD
