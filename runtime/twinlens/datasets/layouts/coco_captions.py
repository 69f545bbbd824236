"""Captions of COCO: one JSON file of images, and of annotations that name them."""

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from twinlens.datasets.formats.tar_bytes import require_regular_file
from twinlens.datasets.pairs import Lose, Pairs
from twinlens.datasets.quoting import quoted_path, quoted_value
from twinlens.errors import DatasetError, PairsError, quoted


def read_coco_pairs(path: Path, *, root: Path | None, lose: Lose) -> Pairs:
    """Read the pairs of a captions JSON: each image with each of its captions, image by image.

    Args:
        path: the file, such as annotations/captions_val2017.json.
        root: folder of the images; by default that of the file, or the one beside it that bears the
            end of its name, as val2017 beside annotations.
        lose: act on an annotation that is no pair.

    Raises:
        PairsError: the file is no captions JSON, or an annotation is no pair.
        OSError: the file cannot be opened.
    """
    document = _read(path)
    images = {
        image["id"]: image["file_name"]
        for image in document["images"]
        if isinstance(image, dict) and isinstance(image.get("file_name"), str) and "id" in image
        if isinstance(image["id"], (int, str))
    }
    captions: dict[Any, list[str]] = defaultdict(list)
    for number, annotation in enumerate(document["annotations"]):
        try:
            image_id, caption = _checked(annotation, images, f"{quoted_path(path)} {number}")
            captions[image_id].append(caption)
        except PairsError as error:
            lose(error)
    folders = _folders(path) if root is None else [root]
    rows: list[tuple[Path, str]] = []
    for image_id, name in images.items():
        if image_id not in captions:
            continue
        places = [folder / name for folder in folders]
        # Path.is_file raises OSError for a name that is too long.
        found = next((place for place in places if os.path.isfile(place)), None)  # noqa: PTH113
        if found is None:
            shown = quoted_path(places[0])
            lose(
                PairsError(
                    f"{quoted_path(path)} names {shown}, which is no file; name the folder of the "
                    "images by image_root"
                )
            )
        else:
            rows += [(found, caption) for caption in captions[image_id]]
    return Pairs(images=[image for image, _ in rows], texts=[text for _, text in rows])


def _read(path: Path) -> dict[str, list[Any]]:
    try:
        require_regular_file(path)
        document = json.loads(path.read_bytes())
    except DatasetError as error:
        raise PairsError(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise PairsError(f"{quoted_path(path)} is not JSON: {quoted(str(error))}") from error
    if not isinstance(document, dict) or not all(
        isinstance(document.get(name), list) for name in ("images", "annotations")
    ):
        raise PairsError(
            f"{quoted_path(path)} is no captions JSON; wanted lists of images and of annotations"
        )
    return document


def _checked(annotation: object, images: dict[Any, str], where: str) -> tuple[Any, str]:
    """Return the id of the image, and the caption.

    Raises:
        PairsError: the annotation is no caption of an image.
    """
    record = annotation if isinstance(annotation, dict) else {}
    image_id, caption = record.get("image_id"), record.get("caption")
    if not isinstance(caption, str) or not caption.strip():
        raise PairsError(f"{where} has no text in 'caption': {quoted_value(caption)}")
    if not isinstance(image_id, (int, str)) or image_id not in images:
        raise PairsError(f"{where} has the image_id {quoted_value(image_id)}, which is no image")
    return image_id, caption.strip()


def _folders(path: Path) -> list[Path]:
    """Return the folders in which the images may lie."""
    split = path.stem.rpartition("_")[2]
    return [path.parent, path.parent / split, path.parent.parent / split]
