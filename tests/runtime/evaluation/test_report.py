"""Report: charts are XML, the page loads nothing, and JSON has the same numbers."""

import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from twinlens.evaluation.charts import reliability_diagram, retrieval_chart, score_histogram
from twinlens.evaluation.evaluate import Evaluation, ModelEvaluation
from twinlens.evaluation.report import html_report, write_report
from twinlens.metrics.bootstrap import Resamples
from twinlens.metrics.reliability import Reliability, ScoredPairs, measure_reliability
from twinlens.metrics.retrieval import Ranks, Retrieval, measure_retrieval
from twinlens.metrics.thresholds import Thresholds

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def scored() -> ScoredPairs:
    random = np.random.default_rng(0)
    labels = np.arange(400) < 200
    cosines = (0.15 + 0.1 * labels + 0.04 * random.normal(size=400)).astype(np.float32)
    return ScoredPairs(
        cosines=cosines,
        probabilities=1 / (1 + np.exp(-40 * (cosines - 0.2))),
        labels=labels,
        images=np.arange(400) % 200,
    )


@pytest.fixture(scope="module")
def reliability(scored: ScoredPairs) -> Reliability:
    return measure_reliability(scored, resamples=50)


@pytest.fixture(scope="module")
def retrieval() -> Retrieval:
    ranks = Ranks(queries=np.arange(50), ranks=np.arange(50) % 13, candidates=50)
    return measure_retrieval(ranks, Resamples(np.arange(50), resamples=50), before=ranks)


@pytest.fixture(scope="module")
def evaluation(scored: ScoredPairs, reliability: Reliability, retrieval: Retrieval) -> Evaluation:
    measured = ModelEvaluation(
        precision="int8",
        device="cpu",
        image_to_text=retrieval,
        text_to_image=retrieval,
        zero_shot=None,
        level="fitted-pairs",
        reliability={"random": reliability},
        thresholds={"random": Thresholds(scored.probabilities, scored.labels).table()},
    )
    bare = ModelEvaluation(
        precision="fp32",
        device="cpu",
        image_to_text=retrieval,
        text_to_image=retrieval,
        zero_shot=None,
        level="none",
        reliability={},
        thresholds={},
    )
    return Evaluation(
        images=200, texts=200, matching=200, others=0, templates=("{}",), models=(bare, measured)
    )


def words_of(svg: str) -> list[str]:
    return [text.text or "" for text in ET.fromstring(svg).iter(f"{SVG}text")]


def test_the_diagram_has_a_point_for_every_bin(reliability: Reliability) -> None:
    svg = reliability_diagram(reliability, title="pairs & <more>")
    root = ET.fromstring(svg)
    drawn = reliability.calibrated.diagram, reliability.half_cosine.diagram
    n_key = 2
    assert len(list(root.iter(f"{SVG}circle"))) == sum(len(d.counts) for d in drawn) + n_key
    assert "pairs & <more>" in words_of(svg)
    assert f"calibrated: ECE {reliability.calibrated.ece.value:.3f}" in words_of(svg)


def test_every_point_lies_inside_the_picture(
    reliability: Reliability, retrieval: Retrieval
) -> None:
    for svg in (
        reliability_diagram(reliability, title="a"),
        score_histogram(reliability, title="b"),
        retrieval_chart({"fp32": retrieval, "int8": retrieval}, title="c"),
    ):
        root = ET.fromstring(svg)
        width, height = float(root.attrib["width"]), float(root.attrib["height"])
        lines = [*root.iter(f"{SVG}polyline"), *root.iter(f"{SVG}polygon")]
        places = [
            tuple(map(float, place.split(",")))
            for line in lines
            for place in line.attrib["points"].split()
        ]
        places += [(float(t.attrib["x"]), float(t.attrib["y"])) for t in root.iter(f"{SVG}text")]
        assert all(0 <= x <= width and 0 <= y <= height for x, y in places)


def test_the_ticks_of_the_cosines_are_round(reliability: Reliability) -> None:
    ticks = [word for word in words_of(score_histogram(reliability, title="a")) if word[0] == "0"]
    assert ticks == ["0", "0.1", "0.2", "0.3"]


def test_equal_cosines_can_be_drawn() -> None:
    same = ScoredPairs(
        cosines=np.full(4, 0.2, np.float32),
        probabilities=np.full(4, 0.5, np.float32),
        labels=np.array([True, False, True, False]),
        images=np.arange(4),
    )
    ET.fromstring(score_histogram(measure_reliability(same, resamples=5), title="a"))


def test_the_page_loads_nothing_and_closes_what_it_opens(evaluation: Evaluation) -> None:
    class Page(HTMLParser):
        opened: list[str] = []  # noqa: RUF012  one page

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in ("script", "link", "img", "iframe")
            assert not {name for name, _ in attrs} & {"src", "href"}
            if tag not in ("meta", "br"):
                self.opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.opened.pop() == tag

        def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            pass

    page = Page()
    page.feed(html_report(evaluation, title="bundle <on> pairs"))
    assert page.opened == []


def test_the_page_says_what_is_missing_and_how_it_was_obtained(evaluation: Evaluation) -> None:
    page = html_report(evaluation, title="bundle <on> pairs")
    assert "bundle &lt;on&gt; pairs" in page
    assert "This precision has no calibration" in page
    assert "Calibration: fitted-pairs" in page


def test_the_files_say_the_same(tmp_path: Path, evaluation: Evaluation) -> None:
    write_report(evaluation, tmp_path / "new" / "report", title="a")
    document = json.loads((tmp_path / "new/report/report.json").read_text(encoding="utf-8"))
    quality = document["models"][1]["reliability"]["random"]["calibrated"]
    page = (tmp_path / "new/report/report.html").read_text(encoding="utf-8")
    assert f"{quality['ece']['value']:.3f} <small>" in page
    assert len(document["models"][1]["thresholds"]["random"]) == 12
