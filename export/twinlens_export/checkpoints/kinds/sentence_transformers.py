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
LIBRARY: Final = "sentence_transformers."
"""Before the names of the library's own classes; any other is custom code."""
PROMPTS: Final = "config_sentence_transformers.json"
SETTINGS: Final = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""Files of a Transformer's settings; the library reads the first that is there."""
TEXT_MODULES: Final = ("Transformer", "Pooling", "Dense", "Normalize")
"""Modules of a text model, in this order; a linear map and a norm may be left out."""
POOLINGS: Final[Mapping[str, EncoderPooling]] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "first",
}
FOLLOWED: Final[Mapping[str, frozenset[str]]] = {
    "Transformer": frozenset(
        {
            "do_lower_case",
            "max_seq_length",
            "model_args",  # the type of numbers, and the kernel of attention
            "model_kwargs",
            "unpad_inputs",  # the same rows, sooner
        }
    ),
    "Dense": frozenset({"activation_function", "bias", "in_features", "out_features"}),
}
"""Fields of a module's file that are read, or change no row."""
USUAL: Final[Mapping[str, object]] = {
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_input_name": "sentence_embedding",
    "transformer_task": "feature-extraction",
}
"""Other fields, with the one value that is followed."""
OUTPUTS: Final = ("token_embeddings", "sentence_embedding")
"""`module_output_name` of a Transformer and of a Dense."""
OTHER_FORMATS: Final = ["onnx/*", "openvino/*", "*.h5", "*.msgpack", "*.ot"]
"""Patterns of files of the Hub that hold the weights once more."""
CURE: Final = "give a whole folder of SentenceTransformer.save"


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One step of a model of sentence-transformers."""

    kind: str
    """Name of its class, such as "Pooling"; with its module's if it is not the library's own."""
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
            Module(kind=_kind(str(entry["type"])), folder=str(entry.get("path") or ""))
            for entry in json.loads(text)
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{quoted(checkpoint)} has a {MODULES} that is no list of modules "
            f"({quoted(str(error))}); {CURE}"
        ) from error


def _kind(name: str) -> str:
    return name.rpartition(".")[2] if name.startswith(LIBRARY) else name


def clip_folder(checkpoint: str, modules: Sequence[Module]) -> str | None:
    """Return the folder of transformers' CLIP in a checkpoint; None: it is a text model.

    Since 5.4 the library saves a CLIP as a Transformer that takes images too.

    Raises:
        CheckpointError: it puts a prompt before each text.
    """
    kinds = [module.kind for module in modules if module.kind != "Normalize"]
    if kinds not in (["CLIPModel"], ["Transformer"]):
        return None
    place = _local(checkpoint, modules[:1], modules[0].folder)
    if kinds == ["Transformer"] and "image" not in (_settings(place).get("modality_config") or {}):
        return None
    _require_no_prompt(checkpoint)
    return place


def load_sentence_transformers(checkpoint: str, modules: Sequence[Module]) -> LoadedCheckpoint:
    """Load a text model of sentence-transformers, such as clip-ViT-B-32-multilingual-v1.

    Raises:
        CheckpointError: it cannot be read or fetched, or has a module or a pooling that is not
            supported.
    """
    _require_no_prompt(checkpoint)
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
    settings = _settings(place)
    _require_followed("Transformer", place, settings)
    longest = settings.get("max_seq_length")
    model, _ = load_model(place, "AutoModel", optional=("pooler.",))
    return loaded_encoder(
        EncoderParts(
            place=place,
            config=config,
            model=model,
            # As in the library, this length stands in the place of the tokenizer's own.
            tokenizer=load_part(
                place,
                "tokenizer",
                "AutoTokenizer",
                **({} if longest is None else {"model_max_length": longest}),
            ),
            pooling=_pooling(folders["Pooling"]),
            projection=_dense(folders["Dense"]) if "Dense" in folders else {},
            context=longest,
            lower_case=bool(settings.get("do_lower_case")),
        )
    )


def _settings(place: str) -> Mapping[str, Any]:
    """Return the settings of a Transformer; none if it has no file of them."""
    return next((found for name in SETTINGS if (found := json_of(place, name))), {})


def _require_no_prompt(checkpoint: str) -> None:
    """Refuse a model that puts words of its own before each text: a bundle has none."""
    fields = json_of(checkpoint, PROMPTS) or {}
    name = fields.get("default_prompt_name")
    prompt = (fields.get("prompts") or {}).get(name) if name else None
    if prompt:
        raise CheckpointError(
            f"{quoted(checkpoint)} puts the prompt {quoted(repr(prompt))} before each text, and a "
            f"bundle puts none; set default_prompt_name in {PROMPTS} to null, and begin each text "
            "with the prompt yourself"
        )


def _require_followed(kind: str, place: str, fields: Mapping[str, Any]) -> None:
    """Refuse a module with a field that may change a row, and is not followed."""
    for name, value in fields.items():
        usual = value == USUAL.get(name) or (name == "module_output_name" and value in OUTPUTS)
        if value and not usual and name not in FOLLOWED[kind]:
            raise CheckpointError(
                f"the {kind} module of {quoted(place)} has {name} = {quoted(repr(value))}, which "
                "may change rows and is not supported; give a model without it"
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
    _require_followed("Dense", folder, config)
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
