"""twinlens evaluate: metrics of every precision of a bundle on labelled or matching pairs."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Final

from twinlens.bundle.bundle import open_bundle
from twinlens.bundle.manifest import Towers
from twinlens.bundle.specs import MODALITIES
from twinlens.commands.parsing.misuse import MisuseError
from twinlens.commands.parsing.values import templates
from twinlens.commands.printing.outcome import Outcome
from twinlens.commands.printing.table import Table
from twinlens.commands.reading.pairs import read_column_pairs, refuse_columns
from twinlens.commands.writing.targets import require_folder
from twinlens.datasets.pairs import Pairs
from twinlens.demo.samples import CLASS_TEMPLATES, bundled_drawings
from twinlens.durable.whole import whole_files
from twinlens.errors import BundleError, amount
from twinlens.evaluation.evaluate import Evaluation, ModelEvaluation, evaluate
from twinlens.evaluation.report import HTML, JSON, document, write_report
from twinlens.loading import DEMO, folder_of, load
from twinlens.metrics import retrieval, zero_shot
from twinlens.metrics.bootstrap import Estimate
from twinlens.metrics.reliability import Reliability
from twinlens.model.model import Model
from twinlens.model.zero_shot import TEMPLATES

RELIABILITY_LABELS: Final = (
    "ECE",
    "ECE of (1 + cos) / 2",
    "Brier",
    "Brier of the base rate",
    "log-loss",
    "AUC of the cosine",
)


def run(options: argparse.Namespace) -> Outcome:
    """Evaluate every precision on the same pairs; return a table, write the report to --out.

    Unreadable images and rows that are no pair are left out, and the exit code is 1.
    """
    if options.out is not None:
        require_folder(options.out, (HTML, JSON), force=options.force)
    chosen = templates(options.template) if options.template else None
    pairs, lost_rows = _pairs(options)
    if chosen and pairs.kinds is None:
        raise MisuseError("--template is for classes, and no --class-column is named")
    evaluation = evaluate(
        _open_models(options),
        pairs,
        templates=chosen or (CLASS_TEMPLATES if _is_demo(options) else TEMPLATES),
        on_error="skip",
        progress=options.progress.bar,
    )
    lines = _lines(evaluation)
    if options.out is not None:
        with whole_files(options.out) as draft:
            write_report(evaluation, draft, title=f"{options.bundle} on {options.data}")
        lines += ["", f"report: {options.out / HTML}"]
    lost = bool(evaluation.lost or lost_rows)
    return Outcome(lines=lines, document=document(evaluation), code=1 if lost else 0)


def _open_models(options: argparse.Namespace) -> list[Model]:
    """Open the precisions that are asked for, each on the device that is asked for.

    Raises:
        BundleError: none is asked for, and none is made for the device.
        ProviderError: the device cannot be used.
    """
    manifest = open_bundle(folder_of(options.bundle)).manifest
    manifest.require(*MODALITIES)
    towers = manifest.towers
    asked = [name for names in options.precision or () for name in names]
    on_cuda = options.device.startswith("cuda")
    made_for_it = [name for name in towers if not (on_cuda and towers[name].device == "cpu")]
    if not asked and not made_for_it:
        raise BundleError(
            f"{options.bundle} has {', '.join(towers)}, nothing for {options.device}; "
            "export it with --precision fp16"
        )
    return [
        load(
            options.bundle,
            device=_device_of(towers.get(name), options.device),
            precision=name,
            threads=options.threads,
            pixels=options.pixels or "exact",
            level=options.level,
        )
        for name in asked or made_for_it
    ]


def _device_of(towers: Towers | None, device: str) -> str:
    """Return the device asked for; where none is, the CPU for towers that are made for it.

    On CUDA they would run by a detour over the CPU.
    """
    made_for_cpu = towers is not None and towers.device == "cpu"
    return "cpu" if device == "auto" and made_for_cpu else device


def _is_demo(options: argparse.Namespace) -> bool:
    return str(options.data) == DEMO


def _pairs(options: argparse.Namespace) -> tuple[Pairs, list[str]]:
    """Return the pairs, and the reasons of those that are left out."""
    if _is_demo(options):
        refuse_columns(options, "is for a table, but demo is none")
        drawings = bundled_drawings()
        pairs = Pairs(
            images=[drawing.path for drawing in drawings],
            texts=[drawing.caption for drawing in drawings],
            kinds=[drawing.kind for drawing in drawings],
        )
        return pairs, []
    return read_column_pairs(
        options,
        options.data,
        label=options.label_column,
        kind=options.class_column,
        group=options.group_column,
        image_root=options.images,
    )


def _lines(evaluation: Evaluation) -> list[str]:
    models = evaluation.models
    lost = f" ({len(evaluation.lost)} more could not be read)" if evaluation.lost else ""
    counts = f"{amount(evaluation.images, 'image')}{lost}, {amount(evaluation.texts, 'text')}"
    others = f" and {amount(evaluation.others, 'other')}" if evaluation.others else ""
    table = Table(head=("", *(findings.precision for findings in models)), labels=1)
    table.rows.append(("device", *(findings.device for findings in models)))
    for direction, found in (
        ("image to text", [findings.image_to_text for findings in models]),
        ("text to image", [findings.text_to_image for findings in models]),
    ):
        table.rows.extend(
            (f"{direction} {label}", *(_cell(r.figures, r.change, name) for r in found))
            for name, label in retrieval.MEASURES.items()
        )
        table.rows.append((f"{direction} median rank", *(f"{r.median_rank:g}" for r in found)))
    table.rows.extend(_zero_shot_rows(models))
    table.rows.extend(_reliability_rows(models))
    compared = any(findings.image_to_text.change for findings in models)
    return [
        f"{counts}, {amount(evaluation.matching, 'matching pair')}{others}",
        *(["in brackets: the change against fp32, and half its 95 % interval"] * compared),
        *table.lines(),
    ]


def _zero_shot_rows(models: Sequence[ModelEvaluation]) -> list[tuple[str, ...]]:
    found = [findings.zero_shot for findings in models if findings.zero_shot is not None]
    return [
        (
            f"zero-shot {label} of {len(found[0].labels)}",
            *(_cell(z.figures, z.change, name) for z in found),
        )
        for name, label in zero_shot.MEASURES.items()
        if found
    ]


def _reliability_rows(models: Sequence[ModelEvaluation]) -> list[tuple[str, ...]]:
    """Return rows of calibrated figures, each with its uncalibrated counterpart."""
    rows: list[tuple[str, ...]] = [("calibration", *(findings.level for findings in models))]
    for kind in dict.fromkeys(kind for findings in models for kind in findings.reliability):
        columns = [_reliability_cells(findings.reliability.get(kind)) for findings in models]
        for label, *cells in zip(RELIABILITY_LABELS, *columns, strict=True):
            rows.append((f"{kind}: {label}", *cells))
        for group in dict.fromkeys(name for findings in models for name in findings.groups):
            found = [findings.groups.get(group, {}).get(kind) for findings in models]
            cells = ["-" if one is None else f"{one.calibrated.ece.value:.4f}" for one in found]
            rows.append((f"{kind}: ECE of {group}", *cells))
    return rows


def _reliability_cells(reliability: Reliability | None) -> list[str]:
    """Return the cells of one precision, in the order of RELIABILITY_LABELS."""
    if reliability is None:
        return ["-"] * len(RELIABILITY_LABELS)
    calibrated = reliability.calibrated
    figures = (
        calibrated.ece,
        reliability.half_cosine.ece,
        calibrated.brier,
        reliability.constant.brier,
        calibrated.log_loss,
        reliability.cosine_auc,
    )
    return [f"{figure.value:.4f}" for figure in figures]


def _cell(figures: Mapping[str, Estimate], change: Mapping[str, Estimate] | None, name: str) -> str:
    if change is None:
        return f"{figures[name].value:.4f}"
    half = (change[name].high - change[name].low) / 2
    return f"{figures[name].value:.4f} ({change[name].value:+.4f} ± {half:.4f})"
