"""The folders of sentence-transformers: a CLIP, or a text encoder, pooled and projected."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from huggingface_hub import snapshot_download

from twinlens.errors import quoted
from twinlens_export.checkpoints.hub_files import json_of, path_of, read_part, text_of
from twinlens_export.checkpoints.kinds.text_encoder import (
    EncoderParts,
    EncoderPooling,
    loaded_encoder,
)
from twinlens_export.checkpoints.loaded import LoadedCheckpoint
from twinlens_export.checkpoints.weights.pretrained import load_model, load_part
from twinlens_export.checkpoints.weights.tensors import read_tensors
from twinlens_export.errors import CheckpointError

MODULES: Final = "modules.json"
TEXT_MODULES: Final = ("Transformer", "Pooling", "Dense", "Normalize")
"""Modules of a text model, in this order; a linear map and a norm may be left out."""
POOLINGS: Final[Mapping[str, EncoderPooling]] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "first",
}
OTHER_FORMATS: Final = ["onnx/*", "openvino/*", "*.h5", "*.msgpack", "*.ot"]
"""Patterns of files of the Hub that hold the weights once more."""
CURE: Final = "give a whole folder of SentenceTransformer.save"


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One step of a model of sentence-transformers."""

    kind: str
    """Name of its class, such as "Pooling"."""
    folder: str
    """Folder inside the checkpoint; empty: the checkpoint's own."""


def read_modules(checkpoint: str) -> list[Module]:
    """Return the modules of a checkpoint of sentence-transformers; none if it is another's.

    Raises:
        CheckpointError: modules.json is no list of modules.
    """
    text = text_of(checkpoint, MODULES)
    if text is None:
        return []
    try:
        return [
            Module(kind=str(entry["type"]).rpartition(".")[2], folder=str(entry.get("path") or ""))
            for entry in json.loads(text)
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{quoted(checkpoint)} has a {MODULES} that is no list of modules "
            f"({quoted(str(error))}); {CURE}"
        ) from error


def clip_folder(checkpoint: str, modules: Sequence[Module]) -> str | None:
    """Return the folder of transformers' CLIP in a checkpoint; None: it is a text model."""
    if modules[0].kind != "CLIPModel":
        return None
    return _local(checkpoint, modules[:1], modules[0].folder)


def load_sentence_transformers(checkpoint: str, modules: Sequence[Module]) -> LoadedCheckpoint:
    """Load a text model of sentence-transformers, such as clip-ViT-B-32-multilingual-v1.

    Raises:
        CheckpointError: it cannot be read or fetched, or has a module or a pooling that is not
            supported.
    """
    kinds = [module.kind for module in modules]
    known = [kind for kind in TEXT_MODULES if kind in kinds]
    if kinds != known or kinds[:2] != ["Transformer", "Pooling"]:
        raise CheckpointError(
            f"{quoted(checkpoint)} is a model of sentence-transformers with the modules "
            f"{quoted(', '.join(kinds))}; supported are CLIPModel alone, and "
            f"{', '.join(TEXT_MODULES)} in this order"
        )
    folders = {
        module.kind: _local(checkpoint, modules, module.folder)
        for module in modules
        if module.kind != "Normalize"
    }
    place = folders["Transformer"]
    config = load_part(place, "configuration", "AutoConfig")
    settings = json_of(place, "sentence_bert_config.json") or {}
    model, _ = load_model(place, "AutoModel", optional=("pooler.",))
    return loaded_encoder(
        EncoderParts(
            place=place,
            config=config,
            model=model,
            tokenizer=load_part(place, "tokenizer", "AutoTokenizer"),
            pooling=_pooling(folders["Pooling"]),
            projection=_dense(folders["Dense"]) if "Dense" in folders else {},
            context=settings.get("max_seq_length"),
            lower_case=bool(settings.get("do_lower_case")),
        )
    )


def _pooling(folder: str) -> EncoderPooling:
    config = json_of(folder, "config.json") or {}
    on = [name for name, value in config.items() if name.startswith("pooling_mode") and value]
    if named := config.get("pooling_mode"):  # one field in newer files
        on = [
            f"pooling_mode_{named}",
            f"pooling_mode_{named}_tokens",
            f"pooling_mode_{named}_token",
        ]
        on = [name for name in on if name in POOLINGS] or on[:1]
    if len(on) != 1 or on[0] not in POOLINGS:
        raise CheckpointError(
            f"the pooling of {quoted(folder)} is {quoted(', '.join(on) or 'none')}; "
            f"{' or '.join(POOLINGS)} alone is supported"
        )
    return POOLINGS[on[0]]


def _dense(folder: str) -> dict[str, torch.Tensor]:
    """Return the linear map of a Dense module: weight [out, in], and bias [out] if it has one."""
    config = json_of(folder, "config.json") or {}
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    if not activation.endswith(".Identity"):
        raise CheckpointError(
            f"the Dense module of {quoted(folder)} has the activation {quoted(activation)}; "
            "Identity is supported"
        )
    names = ("model.safetensors", "pytorch_model.bin")
    path = next((found for name in names if (found := path_of(folder, name))), None)
    if path is None:
        raise CheckpointError(f"{quoted(folder)} has none of {', '.join(names)}; {CURE}")
    state = read_part(folder, "weights", CURE, lambda: read_tensors(path))
    return {name.removeprefix("linear."): tensor.float() for name, tensor in state.items()}


def _local(checkpoint: str, modules: Sequence[Module], folder: str) -> str:
    """Return the path of a folder of a checkpoint, fetched if need be."""
    root = Path(checkpoint)
    if not root.is_dir():
        patterns = [f"{module.folder}/*" if module.folder else "*.*" for module in modules]
        fetched: Any = read_part(
            checkpoint,
            "modules",
            CURE,
            lambda: snapshot_download(
                checkpoint, allow_patterns=patterns, ignore_patterns=OTHER_FORMATS
            ),
        )
        root = Path(fetched)
    return str(root / folder) if folder else str(root)
