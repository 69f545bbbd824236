"""The page docs/pages/models/parity.md: the table of all families, written from the results."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.harness.paths import ROOT
from bench.harness.readme_tables import with_table

PAGE: Final[Path] = ROOT / "docs" / "pages" / "models" / "parity.md"
PRECISIONS: Final = ("fp32", "fp16", "bf16", "int8")


def write_page(document: Mapping[str, Any]) -> None:
    """Replace the tables of the page by those of the results."""
    page = PAGE.read_text(encoding="utf-8")
    tables = {"families": _families(document), "registry": _registry(document)}
    tables["refusals"] = _refusals(document)
    for name, rows in tables.items():
        page = with_table(page, f"<!-- parity: {name} -->\n", rows)
    PAGE.write_text(page, encoding="utf-8")


def _families(document: Mapping[str, Any]) -> Iterator[str]:
    yield f"| checkpoint | tower | {' | '.join(PRECISIONS)} | least alike | in float32 in int8 |"
    yield f"|---|---|{'---|' * len(PRECISIONS)}---|---|"
    for name, result in document["results"].items():
        towers = result["towers"]
        for modality in ("image", "text"):
            each = [towers.get(precision, {}).get(modality) for precision in PRECISIONS]
            if not any(each):
                continue
            cosines = cells(result, modality, PRECISIONS)
            kept = ", ".join((each[-1] or {}).get("kept_in_float32", ()))
            alike = least_alike(result, modality)
            yield f"| {name} | {modality} | {' | '.join(cosines)} | {alike} | {kept} |"


def cells(result: Mapping[str, Any], modality: str, precisions: Sequence[str]) -> list[str]:
    """Return the worst cosine of a tower in each precision, or that the gate refused it."""
    refused = result.get("refused", {})
    towers = (result["towers"].get(precision, {}).get(modality) for precision in precisions)
    return [
        f"{one['worst_cosine']:.6f}" if one else ("refused" if precision in refused else "")
        for precision, one in zip(precisions, towers, strict=True)
    ]


def least_alike(result: Mapping[str, Any], modality: str) -> str:
    """Return the cosine of a tower's two least alike rows; of older results nothing."""
    cosine = result.get("least_alike", {}).get(modality)
    return "" if cosine is None else f"{cosine:.2f}"


def _registry(document: Mapping[str, Any]) -> Iterator[str]:
    found = document["open_clip"]["registry"]
    yield "| image tower | text tower | models |"
    yield "|---|---|---|"
    for kinds, count in sorted(found["taken"].items(), key=lambda item: -item[1]):
        image, text = (WORDS[part.split(" ", 1)[1]] for part in kinds.split(", "))
        yield f"| {image} | {text} | {count} |"
    yield f"| refused | | {len(found['refused'])} |"
    yield f"| all | | {found['models']} |"


def _refusals(document: Mapping[str, Any]) -> Iterator[str]:
    yield "| case | message |"
    yield "|---|---|"
    for case, message in document["open_clip"]["refusals"].items():
        yield f"| {case} | {message} |"
    for name, result in document["results"].items():
        for precision, message in result.get("refused", {}).items():
            yield f"| {name} in {precision} | {message} |"


WORDS: Final = {
    "open_clip": "OpenCLIP's transformer",
    "timm_siglip": "timm's SigLIP",
    "traced": "traced",
}
