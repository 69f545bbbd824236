"""The parts of a checkpoint that transformers loads: its model, tokenizer and configurations."""

import re
from collections.abc import Sequence
from typing import Any, Final

import torch
import transformers

from twinlens.errors import quoted
from twinlens_export.checkpoints.hub_files import CONFIG, json_of, path_of, read_part
from twinlens_export.checkpoints.weights.adapter import ADAPTER_CONFIG, Adapter
from twinlens_export.checkpoints.weights.fit import (
    DISPENSABLE,
    lacking,
    prefix_of,
    require_fit,
)
from twinlens_export.errors import CheckpointError

CURE: Final = "save the model, its tokenizer and its image processor there with save_pretrained"


def load_part(checkpoint: str, part: str, kind: str, **options: object) -> Any:  # noqa: ANN401
    """Load a part by a class of transformers, whose import fails where torchvision's does.

    Raises:
        CheckpointError: it is not there, or cannot be read.
    """

    def load() -> Any:  # noqa: ANN401
        known = getattr(transformers, kind)
        return known.from_pretrained(checkpoint, trust_remote_code=False, **options)

    return read_part(checkpoint, part, CURE, load)


def load_tokenizer(checkpoint: str, adapter: Adapter | None = None) -> Any:  # noqa: ANN401
    """Load the tokenizer of a checkpoint, or that of an adapter which brings its own.

    Raises:
        CheckpointError: it is not there, or cannot be read.
    """
    place = adapter.folder if adapter is not None and adapter.has_tokenizer else checkpoint
    return load_part(str(place), "tokenizer", "AutoTokenizer")


def load_model(
    checkpoint: str, kind: str, *, adapter: Adapter | None = None, optional: Sequence[str] = ()
) -> tuple[Any, frozenset[str]]:
    """Load the reference model, in float32 and in evaluation mode.

    Its attention is torch's own (sdpa), which computes the definition and keeps no scores: float32
    on a CPU, so the same rows but for the order of sums. Of two formats, safetensors is taken; a
    pickle is read by torch's weights-only loader. Weights that are all there under one prefix, as
    torch.compile and DataParallel save them, are read without it.

    Args:
        checkpoint: a folder or a Hub id.
        kind: name of the model's class.
        adapter: changes to its weights.
        optional: prefixes of weights that have no part in an embedding.

    Returns:
        The model, and the names of the scalars that the checkpoint lacks, of DISPENSABLE.

    Raises:
        CheckpointError: it cannot be read, does not fit its configuration, or an adapter of which
            nothing tells the base lies beside it.
    """
    _require_alone(checkpoint)
    model, report = _loaded(checkpoint, kind, {})
    if prefix := prefix_of(lacking(report, optional), report["unexpected_keys"]):
        model, report = _loaded(checkpoint, kind, {f"^{re.escape(prefix)}": ""})
    require_fit(
        checkpoint,
        kind,
        report,
        known=model.state_dict(),
        optional=optional,
        saved_as=(json_of(checkpoint, CONFIG) or {}).get("architectures") or (),
    )
    if adapter is not None:
        adapter.merge(model)
    return model.eval(), DISPENSABLE.intersection(report["missing_keys"])


def _loaded(checkpoint: str, kind: str, renamed: dict[str, str]) -> tuple[Any, dict[str, Any]]:
    """Return a model and the report of its loading; names are replaced by patterns."""
    model, report = load_part(
        checkpoint,
        "weights",
        kind,
        dtype=torch.float32,
        weights_only=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # so that the report has their shapes; they are refused
        key_mapping=renamed or None,
    )
    return model, report


def _require_alone(checkpoint: str) -> None:
    """Refuse a model with an adapter beside it: transformers adds it only where peft is there."""
    if path_of(checkpoint, ADAPTER_CONFIG) is not None:
        raise CheckpointError(
            f"{quoted(checkpoint)} holds a model and an adapter beside it, and does not say which "
            f"is meant; for the model alone take {ADAPTER_CONFIG} away, for the adapter put its "
            "two files into a folder of their own, whose base_model_name_or_path names this one"
        )
