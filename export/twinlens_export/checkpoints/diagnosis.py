"""The reasons why a checkpoint cannot be read, found in its folder: each with its cure."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from twinlens.bundle.bundle import MANIFEST
from twinlens.errors import quoted
from twinlens_export.errors import CheckpointError

LFS: Final = b"version https://git-lfs.github.com/spec/"
"""Beginning of a pointer, which git without git-lfs leaves in place of a large file."""
WEIGHTS: Final = frozenset({".safetensors", ".bin", ".pt", ".pth", ".h5", ".msgpack", ".onnx"})
"""Suffixes of weights; a pointer among them matters only if it is the file that is read."""
CONFIGS: Final = ("config.json", "open_clip_config.json")
OTHER_KINDS: Final = ("adapter_config.json", "modules.json")
"""Files by which other kinds of checkpoints are known: of PEFT, and of sentence-transformers."""
_CROSS: Final = "this one reads an image together with a text, and embeds neither alone"
_VECTORS: Final = "this one embeds an item as many vectors, where twinlens has one"
_DETECTS: Final = "this one detects objects and embeds no whole picture: SigLIP 2 is the nearest"
_PICTURES: Final = "this one embeds pictures and no texts: SigLIP 2 is the nearest"
_TEXTS: Final = (
    "this one embeds texts alone: with the modules.json of sentence-transformers it is read"
)
NEAREST: Final[Mapping[str, str]] = MappingProxyType(
    {
        "align": "this one scales and crops pictures in a way of its own: SigLIP is the nearest",
        **dict.fromkeys(("bert", "distilbert", "mpnet", "roberta", "xlm-roberta"), _TEXTS),
        "blip-2": f"{_VECTORS}: BLIP for retrieval is the nearest",
        "bridgetower": _CROSS,
        "clap": "this one embeds sounds",
        "clipseg": "the two encoders of this one are those of openai/clip-vit-base-patch16",
        **dict.fromkeys(("dinov2", "dinov2_with_registers", "dinov3_vit"), _PICTURES),
        "flava": "the towers of this one give a row for each token: SigLIP is the nearest",
        "jina_clip": "for texts of many languages, SigLIP 2, or CLIP ViT-B/32 with --text-from "
        "sentence-transformers/clip-ViT-B-32-multilingual-v1",
        "mlcd_vision_model": _PICTURES,
        "nomic_bert": "nomic-embed-text is read as a folder of sentence-transformers, with its "
        "modules.json; nomic-embed-vision exists as custom code alone",
        "owlv2": _DETECTS,
        "owlvit": _DETECTS,
        **dict.fromkeys(("timm_wrapper", "vit"), _PICTURES),
        "vilt": _CROSS,
        "xclip": "this one embeds videos: give the CLIP that it was trained from",
    }
)
"""Reasons and nearest ways for models that are not supported, by their model_type."""
_SEGMENTS: Final = "this one segments pictures and embeds none: SigLIP 2 is the nearest"
_WRITES: Final = "this one writes text and embeds none: SigLIP 2 is the nearest for pictures"
ACTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ForRetrieval": _VECTORS,
        "ObjectDetection": _DETECTS,
        "Segmentation": _SEGMENTS,
        "Classification": "this one classifies: give the model that it was made of",
        "ForConditionalGeneration": _WRITES,
        "ForCausalLM": _WRITES,
        "LMHeadModel": _WRITES,
        "VisionModel": "this one is the image tower of a larger model: give the whole model",
        "TextModel": "this one is the text tower of a larger model: give the whole model",
    }
)
"""Likewise for all others, by the end of the class that they were saved by."""
WEIGHTS_FILES: Final = frozenset({".safetensors", ".bin", ".pt", ".pth", ".ckpt"})
"""Suffixes of files of weights that may be a checkpoint by themselves."""
LOADED: Final = ("model", "pytorch_model", "adapter_model", "open_clip")
"""Beginnings of the names under which weights are looked for in a folder."""
FOREIGN: Final = frozenset({".h5", ".msgpack", ".onnx", ".gguf", ".xml", ".mlpackage", ".tflite"})
"""Suffixes of weights in formats of other libraries."""
SNAPSHOTS: Final = "snapshots"
"""Folder of the Hub's cache, which has one folder for each version of a model."""
WHOLE: Final = "one that save_pretrained of the model, its tokenizer and its image processor wrote"


def require_checkpoint(checkpoint: str) -> None:
    """Refuse a path that is no folder of a whole model, before any library looks at it.

    Raises:
        CheckpointError: it is a file of no weights, a bundle, a folder without a configuration, or
            has a pointer of git-lfs in place of a file of its tokenizer or configuration.
    """
    path, name = Path(checkpoint), quoted(checkpoint)
    if path.is_file():
        _require_weights(path)
        return
    if not path.is_dir():
        return
    if pointers := _pointers(path, weights=False):
        raise _lfs_error(name, pointers)
    if (path / MANIFEST).is_file() and not _files_of(path, WEIGHTS_FILES):
        raise CheckpointError(
            f"{name} is a bundle already, which twinlens-export wrote; give the checkpoint that it "
            "was exported from, or load the bundle as it is"
        )
    if not any((path / known).exists() for known in (*CONFIGS, *OTHER_KINDS)):
        raise CheckpointError(f"{name} has no {CONFIGS[0]}; {_nearest_of(path)}")


def _nearest_of(path: Path) -> str:
    """Return the cure for a folder without a configuration: by its folders or its files."""
    inner = {file.parent for name in CONFIGS for file in path.glob(f"*/{name}")}
    if (path / SNAPSHOTS).is_dir() and (name := hub_id_of(path / SNAPSHOTS / "any")):
        return (
            f"it is the cache of {quoted(name)} on the Hub; give that id, or one of its snapshots"
        )
    if inner:
        *others, last = sorted(inner, key=_in_order)
        also = f", as have {len(others)} more" if others else ""
        return f"give its folder {quoted(last.name)}, which has one{also}"
    if weights := _files_of(path, WEIGHTS_FILES):
        return f"give the file of weights in it, {quoted(weights[0].name)}, or a folder: {WHOLE}"
    return f"give a folder with one: {WHOLE}"


def _in_order(path: Path) -> tuple[int, str]:
    """Return the order of folders of one run: by the last number in the name, then by it."""
    numbers = re.findall(r"[0-9]{1,18}", path.name)
    return int(numbers[-1]) if numbers else -1, path.name


def hub_id_of(folder: Path) -> str | None:
    """Return the id of a snapshot in the cache of the Hub's client; None: it is no such folder."""
    *_, repository, snapshots, _ = ("", "", *folder.absolute().parts)
    kind, *names = repository.split("--")
    is_model = snapshots == SNAPSHOTS and kind == "models" and names
    return "/".join(names) if is_model else None


def _require_weights(path: Path) -> None:
    """Refuse a file that is no weights, or those of a folder of transformers."""
    name = quoted(str(path))
    if (path.parent / CONFIGS[0]).exists():
        raise CheckpointError(
            f"{name} is a file of a checkpoint; give its folder, {quoted(str(path.parent))}"
        )
    if path.suffix not in WEIGHTS_FILES:
        raise CheckpointError(
            f"{name} is a file, and no weights by its suffix ({', '.join(sorted(WEIGHTS_FILES))}); "
            "give the folder that save_pretrained wrote"
        )
    with path.open("rb") as file:
        if file.read(len(LFS)) == LFS:
            raise _lfs_error(quoted(str(path.parent)), [path.name])


def require_known(name: str, config: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse a configuration of a model that is not known, or is custom code.

    Args:
        name: of the checkpoint.
        config: content of config.json; empty: there is none, which its reading tells.
        known: supported values of its model_type.

    Raises:
        CheckpointError: the message has the supported ones, and the nearest of them.
    """
    kind = str(config.get("model_type"))
    if not config or kind in known:
        return
    is_code = "auto_map" in config
    reason = " of custom code, which is never run" if is_code else ", which is not supported"
    nearest = NEAREST.get(kind) or _nearest_of_class(config.get("architectures"))
    raise CheckpointError(
        f"{quoted(name)} is a {quoted(repr(kind))}{reason}; give a checkpoint whose config.json "
        f"has model_type {' or '.join(known)}, or an OpenCLIP checkpoint"
        f"{nearest and f'; {nearest}'}"
    )


def _nearest_of_class(named: object) -> str:
    """Return the reason and the nearest way by `architectures` of config.json; empty: none."""
    classes = [str(one) for one in named] if isinstance(named, list) else []
    ends = (reason for one in classes for end, reason in ACTS.items() if one.endswith(end))
    return next(ends, "")


def require_plain(name: str, config: Mapping[str, Any]) -> None:
    """Refuse a configuration of quantised weights.

    Args:
        name: of the checkpoint.
        config: content of config.json.

    Raises:
        CheckpointError: the configuration is one of these.
    """
    parts = [config, *(config.get(part) for part in ("text_config", "vision_config"))]
    for part in parts:
        quantization = part.get("quantization_config") if isinstance(part, Mapping) else None
        if quantization:
            method = quantization.get("quant_method") if isinstance(quantization, Mapping) else ""
            raise CheckpointError(
                f"the weights of {quoted(name)} are quantised ({quoted(str(method))}); give the "
                "checkpoint in floats that they were made of, or save "
                "model.dequantize() with save_pretrained"
            )


def cure_of(checkpoint: str, error: BaseException) -> str | None:
    """Return the cure of an error of reading, if its cause is known; None: it is not."""
    path = Path(checkpoint)
    if path.is_dir() and (pointers := _pointers(path, weights=True)):
        return f"{pointers[0]} is a pointer of git-lfs; fetch the file itself with git lfs pull"
    causes = [str(cause) for cause in _causes(error)]
    if any("Weights only load failed" in cause for cause in causes):
        return (
            "the pickle holds Python objects beside its tensors, which are never run; save "
            "model.state_dict() alone, as safetensors"
        )
    if any("dtype can require gradients" in cause for cause in causes):  # transformers 4
        return (
            "it has integers in place of weights: they are quantised; give the checkpoint in "
            "floats that they were made of"
        )
    if any("torchvision" in cause for cause in causes):
        return (
            "install the torchvision made for this torch (from the same index), or remove it: "
            "pip uninstall torchvision"
        )
    return _cure_of_weights(path) if path.is_dir() else _cure_of_name(checkpoint)


def _cure_of_name(checkpoint: str) -> str | None:
    """Return the cure for a name of nothing; None: it may be a Hub id."""
    path = Path(checkpoint)
    if path.exists():
        return None
    if "://" in checkpoint:
        return "no address is fetched; give the Hub id, the OWNER/NAME at its end"
    if path.is_absolute() or checkpoint.startswith((".", "~")):
        return "there is no such folder; check the path, or give a local folder or a Hub id"
    if "/" not in checkpoint:
        return (
            "a Hub id is OWNER/NAME; for a name of OpenCLIP's registry give the id of its weights, "
            "such as laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
        )
    return None


def _cure_of_weights(path: Path) -> str | None:
    """Return the cure for a folder without weights that transformers finds; None: it has some."""
    for link in sorted(path.iterdir()):
        if link.is_symlink() and not link.exists():
            return f"{quoted(link.name)} is a link to a file that is not there; fetch it again"
    found = _files_of(path, WEIGHTS_FILES)
    if any(file.name.startswith(LOADED) for file in found):
        return _cure_of_shards(path)
    if others := [file for file in found if not file.stem.startswith(("training_", "optimizer"))]:
        return (
            f"weights are looked for as model.safetensors or pytorch_model.bin, and this folder "
            f"has {quoted(others[0].name)}: load it into the model by load_state_dict, and save "
            "that there with save_pretrained"
        )
    if foreign := sorted(f for suffix in FOREIGN for f in path.rglob(f"*{suffix}")):
        return (
            f"its weights are {quoted(str(foreign[0].relative_to(path)))}, in a format of another "
            "library; give the checkpoint of PyTorch that they were made of"
        )
    return None


def _cure_of_shards(path: Path) -> str | None:
    """Return the cure for a folder that lacks a part of its weights; None: it has all."""
    for index in sorted(path.glob("*.index.json")):
        try:
            names = {str(n) for n in json.loads(index.read_text("utf-8"))["weight_map"].values()}
        except (ValueError, KeyError, AttributeError, OSError, RecursionError):
            return f"{quoted(index.name)} is no index of weights; fetch it again"
        lacking = sorted(name for name in names if not (path / name).is_file())
        if lacking:
            return (
                f"{len(lacking)} of the {len(names)} files in {quoted(index.name)} are not there, "
                f"such as {quoted(lacking[0])}; fetch them"
            )
    return None


def reason_of(error: BaseException) -> str:
    """Return the first line of an error's message that tells something, or of its cause's."""
    *_, first = _causes(error)
    root = first if isinstance(error, ImportError) else error
    lines = str(root).strip().splitlines()
    if len(lines) > 1 and lines[0].endswith(":"):  # torch's heading of a list of misfits
        return quoted(lines[1].strip())
    return quoted(lines[0]) if lines else type(root).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and those that it came of or came after."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def weights_in(folder: Path) -> list[str]:
    """Return the names of the files of weights in a folder, sorted."""
    return [path.name for path in _files_of(folder, WEIGHTS_FILES)]


def _files_of(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files of a folder with one of these suffixes, sorted."""
    return sorted(path for path in folder.iterdir() if path.suffix in suffixes and path.is_file())


def _pointers(folder: Path, *, weights: bool) -> list[str]:
    """Return the names of the pointers of git-lfs in a folder, those of weights or the others."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and (path.suffix in WEIGHTS) == weights and path.stat().st_size < 1024:
            with path.open("rb") as file:
                if file.read(len(LFS)) == LFS:
                    found.append(path.name)
    return found


def _lfs_error(name: str, pointers: list[str]) -> CheckpointError:
    return CheckpointError(
        f"{name} has a pointer of git-lfs in place of {quoted(pointers[0])}; fetch the file itself "
        "with git lfs pull"
    )
