"""Report of an evaluation: a self-contained HTML file, and JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from twinlens import dataclass_json
from twinlens.bundle.calibration import Negatives
from twinlens.errors import amount
from twinlens.evaluation.charts import reliability_diagram, retrieval_chart, score_histogram
from twinlens.evaluation.evaluate import Evaluation, ModelEvaluation
from twinlens.metrics import retrieval, zero_shot
from twinlens.metrics.bootstrap import Estimate
from twinlens.metrics.reliability import Quality, Reliability
from twinlens.metrics.retrieval import Retrieval
from twinlens.metrics.thresholds import OperatingPoint

HTML: Final = "report.html"
JSON: Final = "report.json"

NEGATIVES: Final = {
    "random": "random wrong texts",
    "hard": "the nearest wrong texts",
    "labelled": "pairs labelled not to match",
}
INTERVALS: Final = "In brackets and as bars: 95 % intervals of a bootstrap over images."
COUNTING: Final = (
    "Any hit: one of the right answers is among the first k, as papers count. Share of hits: which "
    "part of the right answers is, as AutoGluon counts. Of equal cosines the earlier row comes "
    "first. Below a figure: its change against fp32, query by query."
)
BETWEEN: Final = (
    "Random wrong texts are easy to tell. The nearest ones are the hardest there are, and some of "
    "them fit the image: real use lies between the two."
)
ASSUMED: Final = (
    "These probabilities are assumed: nobody has fitted the curve to this model. The figures below "
    "tell how far it is from the truth on these pairs; twinlens calibrate fits one."
)
STYLE: Final = """
body { background: #faf9f6; color: #202124; margin: 0 auto; max-width: 1480px; padding: 32px;
  font: 15px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
h1 { font-size: 28px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 40px 0 4px; }
p { color: #6d7076; margin: 0 0 16px; max-width: 80ch; }
table { background: #fff; border-collapse: collapse; border-radius: 10px; margin: 0 0 20px; }
th, td { padding: 6px 12px; text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; } th { color: #6d7076; font-weight: 500; }
tr + tr { border-top: 1px solid #e4e3de; } small { color: #6d7076; }
.row { align-items: flex-start; display: flex; flex-wrap: wrap; gap: 20px; }
.row > div { max-width: 100%; } .scroll { overflow-x: auto; }
svg { display: block; height: auto; margin: 0 0 20px; max-width: 100%; }
"""


def write_report(evaluation: Evaluation, folder: Path, *, title: str) -> None:
    """Write report.html and report.json into a folder; makes the folder if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / HTML).write_text(html_report(evaluation, title=title), encoding="utf-8")
    text = json.dumps(document(evaluation), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / JSON).write_text(f"{text}\n", encoding="utf-8")


def document(evaluation: Evaluation) -> dict[str, Any]:
    """Convert an evaluation to a JSON object with the names of its fields."""
    return dataclass_json.write(evaluation)


def html_report(evaluation: Evaluation, *, title: str) -> str:
    """Return one page with embedded charts, without external resources."""
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{_counts(evaluation)}. {INTERVALS}</p>",
        *_retrieval(evaluation.models),
        *_zero_shot(evaluation),
    ]
    for findings in evaluation.models:
        parts += _probabilities(findings)
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
            *parts,
            "</body></html>\n",
        ]
    )


def _counts(evaluation: Evaluation) -> str:
    others = f", {evaluation.others} labelled not to match" if evaluation.others else ""
    lost = f"; {amount(len(evaluation.lost), 'image')} could not be read" if evaluation.lost else ""
    return (
        f"{amount(evaluation.images, 'image')} and {amount(evaluation.texts, 'text')}; "
        f"{amount(evaluation.matching, 'matching pair')}{others}{lost}"
    )


def _retrieval(models: Sequence[ModelEvaluation]) -> list[str]:
    directions: dict[str, dict[str, Retrieval]] = {
        "Image to text": {findings.precision: findings.image_to_text for findings in models},
        "Text to image": {findings.precision: findings.text_to_image for findings in models},
    }
    parts = [
        "<h2>Retrieval</h2>",
        f"<p>{COUNTING}</p>",
    ]
    for words, found in directions.items():
        rows = [
            [label, *(_changed(r.figures[name], r.change, name) for r in found.values())]
            for name, label in retrieval.MEASURES.items()
        ]
        rows.append(["median rank", *(f"{r.median_rank:g}" for r in found.values())])
        parts += _beside([retrieval_chart(found, title=words)], _table([words, *found], rows))
    return parts


def _zero_shot(evaluation: Evaluation) -> list[str]:
    found = {f.precision: f.zero_shot for f in evaluation.models if f.zero_shot is not None}
    if not found:
        return []
    one = next(iter(found.values()))
    templates = ", ".join(f"“{template}”" for template in evaluation.templates)
    rows = [
        [label, *(_changed(z.figures[name], z.change, name) for z in found.values())]
        for name, label in zero_shot.MEASURES.items()
    ]
    return [
        "<h2>Zero-shot classification</h2>",
        f"<p>{one.images} images, {len(one.labels)} classes, as {escape(templates)}.</p>",
        *_table(["own class", *found], rows),
    ]


def _probabilities(findings: ModelEvaluation) -> list[str]:
    parts = [f"<h2>Probabilities, {findings.precision} on {escape(findings.device)}</h2>"]
    if not findings.reliability:
        reason = (
            "This precision has no calibration, so it gives no probabilities; make one with "
            "twinlens calibrate."
            if findings.level == "none"
            else "All pairs match and there is no wrong text to compare them with."
        )
        return [*parts, f"<p>{reason}</p>"]
    explained = BETWEEN if "hard" in findings.reliability else ""
    if findings.level == "assumed":
        explained = f"{ASSUMED} {explained}"
    parts.append(f"<p>Calibration: {findings.level}. {explained}</p>")
    for kind, reliability in findings.reliability.items():
        words = f"Against {NEGATIVES[kind]}"
        parts += _beside(
            [reliability_diagram(reliability, title=words)],
            [score_histogram(reliability, title=f"{words}: cosines")],
            _decisions(findings.thresholds[kind]),
        )
        parts += _qualities(reliability)
        parts += _groups(findings, kind)
    return parts


def _groups(findings: ModelEvaluation, kind: Negatives) -> list[str]:
    """Return a table of the calibrated figures of each group of the pairs, if there are some."""
    rows = [
        [escape(name), str(found[kind].pairs), *map(_figure, _figures_of(found[kind].calibrated))]
        for name, found in findings.groups.items()
        if kind in found
    ]
    head = ["calibrated, of", "pairs", "ECE", "Brier", "log-loss", "AUC"]
    return _table(head, rows) if rows else []


def _figures_of(quality: Quality) -> tuple[Estimate, ...]:
    return quality.ece, quality.brier, quality.log_loss, quality.auc


def _qualities(reliability: Reliability) -> list[str]:
    kinds: Mapping[str, Quality] = {
        "calibrated": reliability.calibrated,
        "(1 + cos) / 2": reliability.half_cosine,
        f"always {reliability.base_rate:.2f}, the base rate": reliability.constant,
    }
    rows = [[name, *map(_figure, _figures_of(q))] for name, q in kinds.items()]
    rows.append(["raw cosine", "", "", "", _figure(reliability.cosine_auc)])
    return _table(["probability", "ECE", "Brier", "log-loss", "AUC"], rows)


def _decisions(decisions: Sequence[OperatingPoint]) -> list[str]:
    rows = [
        [
            f"{one.threshold:g}",
            "none" if one.precision is None else f"{one.precision:.3f}",
            f"{one.recall:.3f}",
            f"{one.f1:.3f}",
            f"{one.said:.3f}",
        ]
        for one in decisions
    ]
    head = ["match from", "precision", "recall", "F1", "said to match"]
    return _table(head, rows)


def _changed(figure: Estimate, change: Mapping[str, Estimate] | None, name: str) -> str:
    if change is None:
        return _figure(figure)
    lost = change[name]
    return (
        f"{_figure(figure)}<br><small>{lost.value:+.3f} [{lost.low:+.3f}, {lost.high:+.3f}]</small>"
    )


def _figure(figure: Estimate) -> str:
    return f"{figure.value:.3f} <small>[{figure.low:.3f}, {figure.high:.3f}]</small>"


def _beside(*columns: Sequence[str]) -> list[str]:
    """Set columns side by side if the page is wide enough."""
    parts = ['<div class="row">']
    for column in columns:
        parts += ["<div>", *column, "</div>"]
    return [*parts, "</div>"]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Format a table: cells are HTML, heads are plain text."""
    return [
        '<div class="scroll"><table><tr>',
        *(f"<th>{escape(cell)}</th>" for cell in head),
        "</tr>",
        *("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows),
        "</table></div>",
    ]
