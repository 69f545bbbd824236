"""Compare calibrated probabilities, and (1 + cosine) / 2, with the truth.

    python -m bench.calibration --work FOLDER --bundle BUNDLE [--test twemoji]

Fits every precision of the bundle on the development drawings (OpenMoji) and measures on another
set of drawings, with one wrong text to each right one: a random one, the one nearest to the right
text (hard), or the one nearest to the picture (hardest: chosen by the cosine being measured).
`--test openmoji` splits the development drawings in two halves instead, and looks at no other.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from bench.harness.arguments import parser_of
from bench.harness.processes import unset_slow_openblas

unset_slow_openblas()

import numpy as np
from PIL import Image

import twinlens
from bench.harness.machine import commit, processor, versions
from bench.harness.paths import RESULTS
from twinlens import Calibration, Model
from twinlens.bundle.bundle import open_bundle
from twinlens.bundle.calibration import HeldOut
from twinlens.calibration.calibration_options import CalibrationOptions
from twinlens.calibration.fit import fit_calibration
from twinlens.datasets.pairs import Pairs
from twinlens.metrics.reliability import Quality, Reliability, ScoredPairs, measure_reliability
from twinlens_demo.concepts import read_concepts
from twinlens_demo.drawings.drawing_set import identical_drawings, read_drawing_set

Rows = np.ndarray
NEGATIVES = ("random", "hard", "hardest")
RESAMPLES = 200


@dataclass(frozen=True)
class NamedDrawings:
    """N drawings of one source, the names of their subjects, and the pairs [N, N] that differ."""

    pictures: list[Image.Image]
    names: list[str]
    wrong: Rows

    def half(self, first: int) -> "NamedDrawings":
        places = np.arange(first, len(self.names), 2)
        return NamedDrawings(
            pictures=[self.pictures[place] for place in places],
            names=[self.names[place] for place in places],
            wrong=self.wrong[np.ix_(places, places)],
        )


def read_named_drawings(work: Path, source: str) -> NamedDrawings:
    concepts = read_concepts(work / "node_modules")
    drawn = read_drawing_set(work / "drawings", source)
    names = [concepts[row].names[0] for row in drawn.rows]
    same_name = np.array(names)[:, None] == np.array(names)[None, :]
    wrong = ~(same_name | identical_drawings(drawn.pixels))
    return NamedDrawings(pictures=drawn.images(), names=names, wrong=wrong)


def wrong_texts(drawings: NamedDrawings, images: Rows, texts: Rows) -> dict[str, Rows]:
    """Return by kind of negative a wrong text [N] for each picture."""
    scores = {
        "random": np.random.default_rng(0).random(drawings.wrong.shape),
        "hard": texts @ texts.T,
        "hardest": images @ texts.T,
    }
    return {kind: np.where(drawings.wrong, s, -np.inf).argmax(axis=1) for kind, s in scores.items()}


def fits(model: Model, drawings: NamedDrawings) -> dict[str, Calibration]:
    """Fit on the development drawings: with labels, and from pairs alone; by name."""
    images, texts = model.embed_images(drawings.pictures), model.embed_texts(drawings.names)
    wrong = wrong_texts(drawings, images, texts)
    found = {}
    for kind in ("random", "hard"):
        labelled = Pairs(
            images=drawings.pictures * 2,
            texts=drawings.names + [drawings.names[place] for place in wrong[kind]],
            labels=[True] * len(drawings.names) + [False] * len(drawings.names),
        )
        found[f"labels, {kind} negatives"] = fit_calibration(
            model, labelled, options=CalibrationOptions(prior=0.5)
        )
    pairs = Pairs(images=drawings.pictures, texts=drawings.names)
    for kind in ("random", "hard"):
        found[f"pairs alone, {kind} negatives"] = fit_calibration(
            model, pairs, options=CalibrationOptions(prior=0.5, negatives=kind)
        )
    return found


def measure(
    model: Model, fitted: dict[str, Calibration], drawings: NamedDrawings
) -> dict[str, object]:
    """Return by kind of negative the figures of every fit and of (1 + cosine) / 2."""
    images, texts = model.embed_images(drawings.pictures), model.embed_texts(drawings.names)
    own = np.einsum("nd,nd->n", images, texts)
    answer: dict[str, object] = {}
    for kind, places in wrong_texts(drawings, images, texts).items():
        cosines = np.concatenate([own, np.einsum("nd,nd->n", images, texts[places])])
        found: dict[str, Reliability] = {}
        for name, calibration in fitted.items():
            scored = ScoredPairs(
                cosines=cosines,
                probabilities=calibration.probability(cosines),
                labels=np.arange(len(cosines)) < len(own),
                images=np.tile(np.arange(len(own)), 2),
            )
            found[name] = measure_reliability(scored, resamples=RESAMPLES)
        any_fit = next(iter(found.values()))
        answer[kind] = {
            "pairs": any_fit.pairs,
            "base_rate": any_fit.base_rate,
            "(1 + cosine) / 2": figures(any_fit.half_cosine),
            **{name: figures(reliability.calibrated) for name, reliability in found.items()},
        }
    return answer


def figures(quality: Quality) -> dict[str, dict[str, float]]:
    named = {
        "ece": quality.ece,
        "brier": quality.brier,
        "log_loss": quality.log_loss,
        "auc": quality.auc,
    }
    return {
        name: {"value": round(f.value, 4), "low": round(f.low, 4), "high": round(f.high, 4)}
        for name, f in named.items()
    }


def of_fit(calibration: Calibration) -> dict[str, object]:
    held: HeldOut | None = calibration.held_out
    return {
        "curve": str(calibration.curve),
        "matching": calibration.matching,
        "others": calibration.others,
        "held_out_ece": None if held is None else round(held.ece, 4),
    }


def table(results: dict[str, dict[str, dict[str, object]]]) -> str:
    """Format the ECE of each fit in every precision, a column a kind of negative."""
    lines = [f"{'ECE':34}" + "".join(f"{kind:>10}" for kind in NEGATIVES)]
    for precision, result in results.items():
        measured = result["measured"]
        names = [name for name in measured["random"] if name not in ("pairs", "base_rate")]
        for name in names:
            cells = [measured[kind][name]["ece"]["value"] for kind in NEGATIVES]
            lines.append(
                f"{precision} {name:{33 - len(precision)}}"
                + "".join(f"{cell:10.4f}" for cell in cells)
            )
    return "\n".join(lines)


def main() -> None:
    parser = parser_of("bench.calibration", __doc__)
    parser.add_argument("--work", type=Path, required=True, help="where the drawings are")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--test", default="twemoji", help="the set to measure on")
    parser.add_argument("--out", type=Path, default=RESULTS / "calibration.json")
    options = parser.parse_args()
    development = read_named_drawings(options.work, "openmoji")
    if options.test == "openmoji":
        development, test = development.half(0), development.half(1)
    else:
        test = read_named_drawings(options.work, options.test)
    results = {}
    for precision in open_bundle(options.bundle).manifest.towers:
        model = twinlens.load(options.bundle, device="cpu", precision=precision)
        fitted = fits(model, development)
        results[precision] = {
            "fitted": {name: of_fit(calibration) for name, calibration in fitted.items()},
            "measured": measure(model, fitted, test),
        }
    document = {
        "question": "how far a told probability is from the truth, on drawings never fitted on",
        "commit": commit(),
        "fitted_on": f"openmoji, {len(development.names)} drawings",
        "measured_on": f"{options.test}, {len(test.names)} drawings",
        "bins": "15 of equal mass",
        "interval": f"95 %, bootstrap of {RESAMPLES} over pictures",
        "processor": processor(),
        "versions": versions(("numpy", "onnxruntime")),
        "results": results,
    }
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
