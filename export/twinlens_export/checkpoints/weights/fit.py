"""The fit of stored weights to the configuration beside them: each misfit with its cure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from twinlens.errors import quoted
from twinlens_export.errors import CheckpointError

DISPENSABLE: Final = frozenset({"logit_scale", "logit_bias"})
"""Weights without which a model embeds all the same."""
SCALES: Final = re.compile(
    r"(.+)\.(weight_scale|weight_scale_inv|scale_weight|scales|qzeros|SCB|weight\.absmax)"
)
"""Names that methods of quantisation give to the scales beside a weight."""
_NUMBER: Final = re.compile(r"(?<=\.)\d+(?=\.)")


def prefix_of(missing: Iterable[str], unexpected: Iterable[str]) -> str | None:
    """Return the prefix of all missing weights, such as torch.compile's; None: there is none."""
    wanted, names = set(missing), set(unexpected)
    first = next(iter(sorted(wanted)), "")
    for name in sorted(names, key=len):
        prefix = name.removesuffix(first)
        if prefix and name.endswith(f".{first}") and all(prefix + m in names for m in wanted):
            return prefix
    return None


def lacking(report: Mapping[str, Any], optional: Sequence[str]) -> list[str]:
    """Return the names of missing weights that have a part in an embedding, sorted.

    Args:
        report: the loading info of `from_pretrained`.
        optional: prefixes of weights that have none.
    """
    lacked = {*report["missing_keys"]} - DISPENSABLE
    return sorted(key for key in lacked if not key.startswith((*optional,)))


def require_fit(  # noqa: PLR0913 - each is told by another file
    checkpoint: str,
    kind: str,
    report: Mapping[str, Any],
    *,
    known: Iterable[str],
    optional: Sequence[str],
    saved_as: Sequence[str],
) -> None:
    """Refuse weights of which transformers would drop some, or fill some with noise.

    Args:
        checkpoint: a folder or a Hub id.
        kind: name of the model's class.
        report: the loading info of `from_pretrained`.
        known: names of the model's weights.
        optional: prefixes of weights that have no part in an embedding.
        saved_as: classes by which the model was saved, as its configuration names them.

    Raises:
        CheckpointError: weights are missing, of another shape, quantised, or of more layers.
    """
    name = quoted(checkpoint)
    _require_shapes(name, report["mismatched_keys"])
    _require_all(name, kind, lacking(report, optional), saved_as)
    names = set(known)
    for extra in sorted(report["unexpected_keys"]):
        scale = SCALES.fullmatch(extra)
        if scale and f"{scale[1]}.weight" in names:
            raise CheckpointError(
                f"the weights of {name} are quantised: {quoted(extra)} is the scale of one; give "
                "the checkpoint in floats that they were made of"
            )
    _require_depth(name, report["unexpected_keys"], names)


def _require_shapes(name: str, mismatched: Iterable[tuple[str, Any, Any] | str]) -> None:
    """Refuse weights of another shape; transformers 4 tells their names alone."""
    found: list[tuple[Any, ...]] = [(one,) if isinstance(one, str) else one for one in mismatched]
    for key, *sizes in sorted(found):
        told = f" is {list(sizes[0])}, by the configuration {list(sizes[1])}" if sizes else ""
        raise CheckpointError(
            f"{name} has a config.json of another size than its weights: {quoted(key)}{told}; "
            "give the config.json that the weights were saved with"
        )


def _require_all(name: str, kind: str, missing: Sequence[str], saved_as: Sequence[str]) -> None:
    if not missing:
        return
    other = next((each for each in saved_as if each != kind), None)
    cure = "give a whole checkpoint"
    if other is not None:
        cure = (
            f"it was saved as a {quoted(other)}; give a checkpoint that was saved as a {kind}, or "
            "save the tower that it has alone"
        )
    raise CheckpointError(
        f"{name} lacks {len(missing)} weights of a {kind}, such as {missing[0]}; {cure}"
    )


def _require_depth(name: str, unexpected: Iterable[str], known: Iterable[str]) -> None:
    """Refuse weights of layers that the configuration does not count."""
    templates = {_NUMBER.sub("#", key) for key in known if _NUMBER.search(key)}
    deeper = sorted(key for key in unexpected if _NUMBER.sub("#", key) in templates)
    if deeper:
        raise CheckpointError(
            f"{name} has weights of more layers than its config.json counts, such as "
            f"{quoted(deeper[0])}; give the config.json that the weights were saved with"
        )
