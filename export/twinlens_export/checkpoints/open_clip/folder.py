"""The folder that open_clip reads: the checkpoint's, with the text tower's configuration in it."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from twinlens_export.checkpoints.hub_files import CONFIG, OPEN_CLIP_CONFIG
from twinlens_export.checkpoints.preprocessing import Fields

TEXT_FOLDER: Final = "text_model"
KINDS: Final = frozenset({"bert", "m2m_100", "mt5", "roberta", "xlm-roberta"})
"""`model_type` of the text towers that open_clip knows."""


@contextmanager
def offline_folder(folder: Path, document: Fields) -> Iterator[Path]:
    """Yield a folder of the same checkpoint, for which open_clip needs no network.

    open_clip asks the Hub for the configuration of a text tower of transformers. Where the
    checkpoint has it, as its config.json or as `text_config` in that, it is read from there.

    Args:
        folder: of the checkpoint.
        document: its open_clip_config.json.
    """
    config = _text_config(folder, document)
    if config is None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        for path in folder.iterdir():
            if path.name not in {OPEN_CLIP_CONFIG, TEXT_FOLDER}:
                link(path, place)
        (place / TEXT_FOLDER).mkdir()
        (place / TEXT_FOLDER / CONFIG).write_text(json.dumps(config), encoding="utf-8")
        changed: dict[str, Any] = deepcopy(dict(document))
        changed["model_cfg"]["text_cfg"]["hf_model_name"] = str(place / TEXT_FOLDER)
        (place / OPEN_CLIP_CONFIG).write_text(json.dumps(changed), encoding="utf-8")
        yield place


def link(path: Path, folder: Path) -> None:
    """Put a file or a folder into another folder: a link, or a copy where links are forbidden.

    Windows lets administrators and developers make them.
    """
    place, found = folder / path.name, path.resolve()
    try:
        place.symlink_to(found)
    except OSError:
        if found.is_dir():
            shutil.copytree(found, place)
        else:
            shutil.copyfile(found, place)


def _text_config(folder: Path, document: Fields) -> Fields | None:
    """Return the configuration of a text tower of transformers; None: it is not in the folder."""
    path = folder / CONFIG
    if "hf_model_name" not in document["model_cfg"]["text_cfg"] or not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    for config in (found, found.get("text_config") or {}):
        if config.get("model_type") in KINDS:
            return dict(config)
    return None
