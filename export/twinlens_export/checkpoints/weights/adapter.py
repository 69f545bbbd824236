"""Adapters of PEFT: LoRA, added to the weights of the model that was adapted."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import torch

from twinlens.errors import quoted
from twinlens_export.checkpoints.hub_files import CONFIG, json_of, path_of, read_part
from twinlens_export.checkpoints.weights.tensors import read_tensors
from twinlens_export.errors import CheckpointError

T = TypeVar("T")

ADAPTER_CONFIG: Final = "adapter_config.json"
ADAPTER_WEIGHTS: Final = ("adapter_model.safetensors", "adapter_model.bin")
TOKENIZER_CONFIG: Final = "tokenizer_config.json"
PREFIX: Final = "base_model.model."
"""Before each name of a model's weights in the adapter's file."""
MERGE: Final = (
    "merge it with peft: PeftModel.from_pretrained(base, FOLDER).merge_and_unload()"
    ".save_pretrained(OUT), save tokenizer and image processor there, and give that folder"
)
OTHERS: Final = (
    "use_dora", "use_qalora", "alora_invocation_tokens", "arrow_config", "corda_config",
    "eva_config", "lora_bias", "megatron_config", "layer_replication", "trainable_token_indices",
    "target_parameters", "use_bdlora",
)  # fmt: skip
"""Options of LoRA that change its sum, or the weights that it is added to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A LoRA adapter: W + scale * B @ A for the weights that it names, and whole ones beside them.

    scale is lora_alpha / r, or lora_alpha / sqrt(r) with use_rslora (Hu et al. 2021,
    arXiv 2106.09685; Kalajdzievski 2023, arXiv 2312.03732).
    """

    name: str
    base: str
    """The folder or Hub id of the model that was adapted."""
    folder: Path
    has_tokenizer: bool
    config: Mapping[str, Any]
    weights: Mapping[str, torch.Tensor]

    def merge(self, model: torch.nn.Module) -> None:
        """Add the adapter to the weights of its model.

        Raises:
            CheckpointError: the two do not fit each other.
        """
        parameters = dict(model.named_parameters())
        pairs, whole = dict[str, dict[str, torch.Tensor]](), dict[str, torch.Tensor]()
        for key, tensor in self.weights.items():
            name = key.removeprefix(PREFIX).replace(".modules_to_save.", ".")
            found = re.fullmatch(r"(.+)\.lora_(A|B)(?:\.\w+)?\.weight", name)
            if found:
                pairs.setdefault(found[1], {})[found[2]] = tensor.float()
            else:
                whole[name.replace(".base_layer.", ".")] = tensor.float()
        with torch.no_grad():
            for name, pair in pairs.items():
                if len(pair) != 2:
                    raise self._misfit(f"{name} has one of lora_A and lora_B")
                self._add(self._parameter(parameters, f"{name}.weight"), name, pair)
            for name, tensor in whole.items():
                self._replace(self._parameter(parameters, name), name, tensor)

    def _add(self, weight: torch.Tensor, name: str, pair: Mapping[str, torch.Tensor]) -> None:
        down, up = pair["A"], pair["B"]
        if weight.ndim != 2 or down.ndim != 2:
            raise self._misfit(f"{name} is no linear map")
        product = up @ down
        if self.config.get("fan_in_fan_out"):
            product = product.T
        if product.shape != weight.shape:
            shapes = f"{tuple(product.shape)}, the model's is {tuple(weight.shape)}"
            raise self._misfit(f"{name} has the shape {shapes}")
        weight.add_(self._scale(name, rank=len(down)) * product)

    def _replace(self, weight: torch.Tensor, name: str, tensor: torch.Tensor) -> None:
        if tensor.shape != weight.shape:
            shapes = f"{tuple(tensor.shape)}, the model's is {tuple(weight.shape)}"
            raise self._misfit(f"{name} has the shape {shapes}")
        weight.copy_(tensor)

    def _scale(self, name: str, *, rank: int) -> float:
        alpha = _by_pattern(
            self.config.get("alpha_pattern"), name, self.config.get("lora_alpha", 8)
        )
        return float(alpha) / (math.sqrt(rank) if self.config.get("use_rslora") else rank)

    def _parameter(self, parameters: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
        if name not in parameters:
            raise self._misfit(f"it changes {name}, which the model lacks")
        return parameters[name]

    def _misfit(self, reason: str) -> CheckpointError:
        return CheckpointError(
            f"the adapter {quoted(self.name)} does not fit {quoted(self.base)}: {quoted(reason)}; "
            f"give its own base as base_model_name_or_path in {ADAPTER_CONFIG}, or {MERGE}"
        )


def read_adapter(checkpoint: str) -> Adapter | None:
    """Read an adapter's folder or Hub id; None: it is none.

    Raises:
        CheckpointError: it is no LoRA, or one whose sum is another, or it names no base.
    """
    config = json_of(checkpoint, ADAPTER_CONFIG)
    if config is None:
        return None
    kind, base = config.get("peft_type"), config.get("base_model_name_or_path")
    odd = [name for name in OTHERS if config.get(name)]
    if kind != "LORA" or odd:
        shown = f"a {kind}" if kind != "LORA" else f"a LORA with {', '.join(odd)}"
        raise CheckpointError(
            f"{quoted(checkpoint)} is an adapter of PEFT, {quoted(shown)}, and only a plain LORA "
            f"is added here; {MERGE}"
        )
    if not base:
        raise CheckpointError(
            f"{quoted(checkpoint)} is an adapter that names no base model; write the folder or Hub "
            f"id of its base as base_model_name_or_path into {ADAPTER_CONFIG}"
        )
    path = next((found for name in ADAPTER_WEIGHTS if (found := path_of(checkpoint, name))), None)
    if path is None:
        raise CheckpointError(
            f"{quoted(checkpoint)} has {ADAPTER_CONFIG} and none of {', '.join(ADAPTER_WEIGHTS)}; "
            "give the whole adapter"
        )
    return Adapter(
        name=checkpoint,
        base=_place_of(str(base), path.parent),
        folder=path.parent,
        has_tokenizer=path_of(checkpoint, TOKENIZER_CONFIG) is not None,
        config=config,
        weights=read_part(
            checkpoint, "weights", "give the whole adapter", lambda: read_tensors(path)
        ),
    )


def of_base(adapter: Adapter, load: Callable[[str], T]) -> T:
    """Return the base of an adapter, loaded; its errors name the adapter.

    Raises:
        CheckpointError: the base is not there, or cannot be read.
    """
    try:
        return load(adapter.base)
    except CheckpointError as error:
        if Path(adapter.base).exists():
            raise
        raise CheckpointError(
            f"the adapter {quoted(adapter.name)} was trained on {quoted(adapter.base)}, which is "
            "not here; write the place or the Hub id of its base as base_model_name_or_path into "
            f"{ADAPTER_CONFIG}"
        ) from error


def _place_of(base: str, folder: Path) -> str:
    """Return the place of a base: a relative path may be one from the adapter's own folder."""
    beside = folder / base
    is_there = (beside / CONFIG).is_file() and beside.resolve() != folder.resolve()
    return str(beside) if is_there else base


def _by_pattern(patterns: Mapping[str, Any] | None, name: str, default: float) -> float:
    """Return the value of the first pattern that a name ends with, as PEFT matches them."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", name):
            return float(value)
    return default
