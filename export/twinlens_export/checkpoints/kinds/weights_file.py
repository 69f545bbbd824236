"""Files of weights: OpenAI's TorchScript archives, and state dicts of OpenCLIP and Long-CLIP."""

import json
import tempfile
import warnings
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file

from twinlens.errors import quoted
from twinlens_export.checkpoints.hub_files import OPEN_CLIP_CONFIG, read_part
from twinlens_export.checkpoints.loaded import LoadedCheckpoint
from twinlens_export.checkpoints.open_clip.folder import link
from twinlens_export.checkpoints.open_clip.loader import WEIGHTS, load_open_clip
from twinlens_export.checkpoints.weights.tensors import read_tensors
from twinlens_export.errors import CheckpointError

SUFFIXES: Final = frozenset({".pt", ".pth", ".bin", ".ckpt", ".safetensors"})
HEAD_WIDTH: Final = 64
"""Of all of OpenAI's towers."""
RESNET_STRIDE: Final = 32
OPENAI_BUFFERS: Final = frozenset({"input_resolution", "context_length", "vocab_size"})
"""Numbers among the weights of OpenAI's archives, and of state dicts saved from them."""
OUTER: Final = ("ln_final.weight", "token_embedding.weight", "positional_embedding")
"""Weights outside the layers, in every model of OpenAI's names."""
RECORDED: Final = ("state_dict", "model_state_dict", "model", "module")
"""Names of the weights in the record of a training: of open_clip and Lightning, of the recipe that
OpenAI's users share, and of DeepSpeed."""
COMPUTED: Final = frozenset({"attn_mask"})
"""Arrays that every model computes anew, and that an archive may hold all the same."""
LONG_POSITIONS: Final = "positional_embedding_res"
"""Long-CLIP's positions after the first KEPT, which are CLIP's own and stay as they were."""
KEPT: Final = 20
CURE: Final = (
    f"put the {OPEN_CLIP_CONFIG} of its training beside the file: the weights do not tell the "
    "activation, the heads or the preprocessing"
)


def load_weights_file(path: Path) -> LoadedCheckpoint:
    """Load a file of weights under OpenAI's names, by open_clip.

    OpenAI's archives and Long-CLIP's state dicts are recognised by their shapes, as open_clip's
    `build_model_from_openai_state_dict` does; other state dicts need an open_clip_config.json.

    Raises:
        CheckpointError: the file cannot be read, or is of another kind.
    """
    name = str(path)
    state = read_part(name, "weights", "give the file as it was published", lambda: _read(path))
    weights, document = _described(path, _plain(state))
    with tempfile.TemporaryDirectory(prefix="twinlens-weights-") as folder:
        (Path(folder) / OPEN_CLIP_CONFIG).write_text(json.dumps(document), encoding="utf-8")
        save_file(weights, Path(folder) / WEIGHTS[0])
        for beside in _files_beside(path):
            link(beside, Path(folder))
        try:
            return load_open_clip(folder)
        except CheckpointError as error:  # the folder is gone when its message is read
            raise CheckpointError(str(error).replace(folder, str(path.parent))) from error


def _files_beside(path: Path) -> list[Path]:
    """Return the files of a tokenizer and of a text tower's configuration beside the weights.

    Only where the configuration of the model is there too: else they are of something else.
    """
    if not (path.parent / OPEN_CLIP_CONFIG).is_file():
        return []
    return [
        other
        for other in path.parent.iterdir()
        if other.is_file() and other.suffix not in SUFFIXES and other.name != OPEN_CLIP_CONFIG
    ]


def _read(path: Path) -> Mapping[str, Any]:
    """Return the state dict of a file, as tensors alone: nothing of Python's is run."""
    if path.suffix == ".safetensors":
        return read_tensors(path)
    if _is_archive(path):
        with warnings.catch_warnings(action="ignore"):  # newer versions of torch deprecate it
            archive = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
        state: Mapping[str, Any] = archive.state_dict()
        return state
    found: Any = torch.load(path, map_location="cpu", weights_only=True)
    inner = _inner(found) if isinstance(found, Mapping) else None
    if not isinstance(inner, Mapping):
        raise CheckpointError(
            f"{quoted(str(path))} holds a {type(found).__name__}, wanted the weights by their "
            "names; save model.state_dict() alone"
        )
    weights: Mapping[str, Any] = inner
    return weights


def _inner(found: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return the weights in the record of a training, or the weights themselves."""
    names = [name for name in RECORDED if isinstance(found.get(name), Mapping)]
    return found[names[0]] if names else found.get("state_dict", found)


def _is_archive(path: Path) -> bool:
    """Return True if a file is a TorchScript archive: a zip that holds code."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _plain(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the tensors in float32, without the prefix of a wrapper such as DataParallel."""
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    prefix = next(iter(sorted(_prefixes(tensors), key=len)), "")
    return {
        name.removeprefix(prefix): (value.float() if value.is_floating_point() else value)
        .contiguous()
        .clone()
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _prefixes(names: Collection[str]) -> set[str]:
    """Return the prefixes under which all of a model's outer weights are there."""
    first = next(iter(OUTER))
    found = {name.removesuffix(first) for name in names if name.endswith(first)}
    return {prefix for prefix in found if all(f"{prefix}{name}" in names for name in OUTER)}


def _described(
    path: Path, state: dict[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return weights and their open_clip_config.json: that beside the file, or by the shapes."""
    beside = path.parent / OPEN_CLIP_CONFIG
    if beside.is_file():
        document = read_part(
            str(path), OPEN_CLIP_CONFIG, CURE, lambda: json.loads(beside.read_text("utf-8"))
        )
        return state, document
    if any(".encoder.layers." in name for name in state):
        raise CheckpointError(
            f"{quoted(str(path))} has the names of transformers' models, and no configuration; "
            "load it into its model by load_state_dict, and give the folder that save_pretrained "
            "of the model, its tokenizer and its image processor writes"
        )
    if "positional_embedding" not in state or not any(name.startswith("visual.") for name in state):
        raise CheckpointError(
            f"{quoted(str(path))} has no weights of OpenAI's or OpenCLIP's names, such as "
            f"visual.conv1.weight; give the folder that save_pretrained wrote, or {CURE}"
        )
    is_long = LONG_POSITIONS in state
    if is_long:
        later = state.pop(LONG_POSITIONS)
        state["positional_embedding"] = torch.cat(
            [state["positional_embedding"][:KEPT], later[KEPT:]]
        )
    if not (is_long or _is_archive(path) or state.keys() >= OPENAI_BUFFERS):
        raise CheckpointError(
            f"{quoted(str(path))} is a state dict of OpenCLIP's names, without a "
            f"configuration; {CURE}"
        )
    described = _openai_config(state)
    left_out = OPENAI_BUFFERS | COMPUTED
    return {name: value for name, value in state.items() if name not in left_out}, described


def _openai_config(state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return the configuration of OpenAI's architecture with weights of these shapes."""
    width = len(state["ln_final.weight"])
    blocks = {name.split(".")[2] for name in state if name.startswith("transformer.resblocks.")}
    text = {
        "context_length": len(state["positional_embedding"]),
        "vocab_size": len(state["token_embedding.weight"]),
        "width": width,
        "heads": width // HEAD_WIDTH,
        "layers": len(blocks),
    }
    image = _vision_transformer(state) if "visual.proj" in state else _resnet(state)
    towers = {"vision_cfg": image, "text_cfg": text}
    model = {"embed_dim": state["text_projection"].shape[1], "quick_gelu": True, **towers}
    return {"model_cfg": model, "preprocess_cfg": {}}


def _vision_transformer(state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    patch = state["visual.conv1.weight"].shape[-1]
    grid = round((len(state["visual.positional_embedding"]) - 1) ** 0.5)
    layers = sum(n.startswith("visual.") and n.endswith(".attn.in_proj_weight") for n in state)
    width = len(state["visual.conv1.weight"])
    return {"image_size": patch * grid, "patch_size": patch, "width": width, "layers": layers}


def _resnet(state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    stages = [
        len({name.split(".")[2] for name in state if name.startswith(f"visual.layer{stage}.")})
        for stage in (1, 2, 3, 4)
    ]
    grid = round((len(state["visual.attnpool.positional_embedding"]) - 1) ** 0.5)
    return {
        "image_size": grid * RESNET_STRIDE,
        "width": len(state["visual.layer1.0.conv1.weight"]),
        "layers": stages,
    }
