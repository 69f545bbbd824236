"""The reasons why a checkpoint cannot be read, found in its folder: each with its cure."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

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
NEAREST: Final[Mapping[str, str]] = MappingProxyType(
    {
        "align": "this one scales and crops pictures in a way of its own: SigLIP is the nearest",
        "bridgetower": _CROSS,
        "clap": "this one embeds sounds",
        "clipseg": "the two encoders of this one are those of openai/clip-vit-base-patch16",
        "flava": f"{_CROSS}: SigLIP is the nearest",
        "jina_clip": "for texts of many languages, SigLIP 2, or CLIP ViT-B/32 with --text-from "
        "sentence-transformers/clip-ViT-B-32-multilingual-v1",
        "nomic_bert": "nomic-embed-text is read as a folder of sentence-transformers, with its "
        "modules.json; nomic-embed-vision exists as custom code alone",
        "owlv2": "this one detects objects and embeds no whole picture: SigLIP 2 is the nearest",
        "owlvit": "this one detects objects and embeds no whole picture: SigLIP 2 is the nearest",
        "vilt": _CROSS,
        "xclip": "this one embeds videos: give the CLIP that it was trained from",
    }
)
"""Reasons and nearest ways for models that are not supported, by their model_type."""
WEIGHTS_FILES: Final = frozenset({".safetensors", ".bin", ".pt", ".pth", ".ckpt"})
"""Suffixes of files of weights that may be a checkpoint by themselves."""


def require_checkpoint(checkpoint: str) -> None:
    """Refuse a path that is no folder of a whole model, before any library looks at it.

    Raises:
        CheckpointError: it is a file of no weights, a folder around the model's, or has a pointer
            of git-lfs in place of a file of its tokenizer or configuration.
    """
    path, name = Path(checkpoint), quoted(checkpoint)
    if path.is_file():
        _require_weights(path)
        return
    if not path.is_dir():
        return
    if pointers := _pointers(path, weights=False):
        raise _lfs_error(name, pointers)
    if any((path / config).exists() for config in CONFIGS):
        return
    if any((path / known).exists() for known in OTHER_KINDS):
        return
    inner = [file.parent.name for config in CONFIGS for file in sorted(path.glob(f"*/{config}"))]
    if inner:
        raise CheckpointError(
            f"{name} has no config.json, its folder {quoted(inner[0])} has one; give "
            f"{quoted(str(path / inner[0]))}"
        )


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
    nearest = f"; {NEAREST[kind]}" if kind in NEAREST else ""
    raise CheckpointError(
        f"{quoted(name)} is a {quoted(repr(kind))}{reason}; give a checkpoint whose config.json "
        f"has model_type {' or '.join(known)}, or an OpenCLIP checkpoint{nearest}"
    )


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
    reason, path = str(_root(error)), Path(checkpoint)
    if path.is_dir() and (pointers := _pointers(path, weights=True)):
        return f"{pointers[0]} is a pointer of git-lfs; fetch the file itself with git lfs pull"
    if "Weights only load failed" in str(error):
        return (
            "the pickle holds Python objects beside its tensors, which are never run; save "
            "model.state_dict() alone, as safetensors"
        )
    if "torchvision" in reason or "torchvision" in str(error):
        return (
            "install the torchvision made for this torch (from the same index), or remove it: "
            "pip uninstall torchvision"
        )
    if not path.exists() and (path.is_absolute() or checkpoint.startswith((".", "~"))):
        return "there is no such folder; check the path, or give a local folder or a Hub id"
    return None


def reason_of(error: BaseException) -> str:
    """Return the first line of an error's message, or of the error that caused it."""
    root = _root(error) if isinstance(error, ImportError) else error
    lines = str(root).strip().splitlines()
    return quoted(lines[0]) if lines else type(root).__name__


def prefix_of(missing: Iterable[str], unexpected: Iterable[str]) -> str | None:
    """Return the prefix of all missing weights, such as torch.compile's; None: there is none."""
    names, first = set(unexpected), next(iter(missing), "")
    for name in names:
        prefix = name.removesuffix(first)
        if prefix and name.endswith(f".{first}") and all(prefix + m in names for m in missing):
            return prefix
    return None


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


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
