"""Recognition of a checkpoint's kind, by its files: each kind has its loader."""

from pathlib import Path
from typing import Final

from twinlens_export.checkpoints.diagnosis import require_known
from twinlens_export.checkpoints.families.transformers import FAMILIES
from twinlens_export.checkpoints.hub_files import CONFIG, OPEN_CLIP_CONFIG, json_of, path_of
from twinlens_export.checkpoints.kinds.lone_tower import LONE_TOWERS, load_lone_tower
from twinlens_export.checkpoints.kinds.multilingual_clip import MODEL_TYPE, load_multilingual_clip
from twinlens_export.checkpoints.kinds.naflex import MODEL_TYPE as NAFLEX
from twinlens_export.checkpoints.kinds.naflex import load_naflex
from twinlens_export.checkpoints.kinds.sentence_transformers import (
    clip_folder,
    load_sentence_transformers,
    read_modules,
)
from twinlens_export.checkpoints.kinds.traced_model import TRACED_KINDS, load_traced_model
from twinlens_export.checkpoints.kinds.weights_file import load_weights_file
from twinlens_export.checkpoints.loaded import LoadedCheckpoint
from twinlens_export.checkpoints.open_clip.loader import load_open_clip
from twinlens_export.checkpoints.transformers_loader import load_transformers
from twinlens_export.checkpoints.weights.adapter import Adapter, of_base, read_adapter

TRANSFORMERS_WEIGHTS: Final = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


def load_checkpoint(checkpoint: str) -> LoadedCheckpoint:
    """Load a checkpoint of any kind: a folder, a Hub id, or a file of weights.

    A folder of transformers and OpenCLIP both is read as one of transformers, unless it lacks
    transformers' weights or its model is custom code. An adapter is added to its base.

    Raises:
        CheckpointError: it cannot be read or fetched, or is of no supported kind.
    """
    if Path(checkpoint).is_file():
        return load_weights_file(Path(checkpoint))
    if modules := read_modules(checkpoint):
        inner = clip_folder(checkpoint, modules)
        if inner is None:
            return load_sentence_transformers(checkpoint, modules)
        return _of_model(inner)
    if not _has_weights(checkpoint) and (adapter := read_adapter(checkpoint)) is not None:
        return of_base(adapter, lambda base: _of_model(base, adapter))
    return _of_model(checkpoint)


def _of_model(checkpoint: str, adapter: Adapter | None = None) -> LoadedCheckpoint:
    config = json_of(checkpoint, CONFIG) or {}
    kind = config.get("model_type")
    if adapter is None and json_of(checkpoint, OPEN_CLIP_CONFIG):
        is_other = kind not in FAMILIES or "auto_map" in config
        if is_other or not _has_weights(checkpoint):
            return load_open_clip(checkpoint)
    if adapter is None and kind == MODEL_TYPE:
        return load_multilingual_clip(checkpoint)
    if kind not in LONE_TOWERS:
        require_known(checkpoint, config, (*FAMILIES, NAFLEX, *TRACED_KINDS))
    if kind in LONE_TOWERS:
        return load_lone_tower(checkpoint, adapter=adapter)
    if kind == NAFLEX:
        return load_naflex(checkpoint, adapter=adapter)
    if kind in TRACED_KINDS:
        return load_traced_model(checkpoint, adapter=adapter)
    return load_transformers(checkpoint, adapter=adapter)


def _has_weights(checkpoint: str) -> bool:
    """Return True if a checkpoint has weights of transformers."""
    return any(path_of(checkpoint, name) for name in TRANSFORMERS_WEIGHTS)
