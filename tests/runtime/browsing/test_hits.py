"""POST /hits, /dropped, /labels: the answers of the page, beside numpy and the model itself."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assumed_bundle import assume
from browsed_library import Browsed, browsed
from http_servers import LoopThread

from twinlens import Model, load
from twinlens.browsing.bodies import MOST_SKIP
from twinlens.demo.samples import bundled_drawings

DOG = bundled_drawings()[0].path


def asked(served: Browsed, **request: object) -> dict[str, Any]:
    answer = served.page.post("/hits", json=request)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def rows_of(served: Browsed, model: Model) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Paths of the library by number, and their rows as the model makes them."""
    catalogue = served.library.catalogue
    paths = [catalogue[n].name for n in range(len(catalogue))]
    return paths, model.embed_images([served.library.folder / path for path in paths])


def stored_rows(served: Browsed, model: Model, hits: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    return model.embed_images([served.library.folder / hit["path"] for hit in hits])


def test_words_find_the_pictures_of_brute_force(served: Browsed, model: Model) -> None:
    paths, rows = rows_of(served, model)
    cosines = rows @ model.embed_texts(["something to eat"])[0]
    answer = asked(served, words=" something  to eat ", count=200)
    places = [paths.index(hit["path"]) for hit in answer["hits"]]
    assert sorted(places) == list(range(len(paths)))
    assert (np.diff(cosines[places]) <= 1e-6).all()
    found = np.array([hit["cosine"] for hit in answer["hits"]])
    np.testing.assert_allclose(found, np.sort(cosines)[::-1], atol=1e-4)
    assert not answer["more"]
    assert answer["plus"] == ["something to eat"]


def test_evidence_and_a_prior_are_the_probability(served: Browsed, model: Model) -> None:
    """The page adds the log-odds of its own prior, matches over pictures."""
    hits = asked(served, words="a dog")["hits"]
    evidence = np.array([hit["evidence"] for hit in hits])
    cosines = stored_rows(served, model, hits) @ model.embed_texts(["a dog"])[0]
    for prior in (1 / 21, 3 / 21, 0.5):
        told = 1 / (1 + np.exp(-(evidence + np.log(prior / (1 - prior)))))
        expected = model.calibration.probability(cosines, prior=prior)
        np.testing.assert_allclose(told, expected, atol=1e-4)


def test_added_and_subtracted_words_have_a_cosine_and_no_probability(
    served: Browsed, model: Model
) -> None:
    answer = asked(served, words="food - fruit")
    both = model.embed_texts(["food", "fruit"])
    row = (both[0] - both[1]) / np.linalg.norm(both[0] - both[1])
    best = answer["hits"][0]
    (stored,) = stored_rows(served, model, [best])
    assert best["cosine"] == pytest.approx(float(stored @ row), abs=1e-4)
    assert {hit["evidence"] for hit in answer["hits"]} == {None}
    assert (answer["plus"], answer["minus"]) == (["food"], ["fruit"])


def test_pages_are_parts_of_one_list(served: Browsed) -> None:
    for query in ({"words": "an animal", "near": 0.6}, {}, {"words": "a - b"}):
        whole = asked(served, count=200, **query)
        parts, skip = [], 0
        while True:
            page = asked(served, skip=skip, count=5, **query)
            parts += page["hits"]
            skip += 5
            if not page["more"]:
                break
        assert parts == whole["hits"]
        assert len(parts) == len(served.library.catalogue)
    assert asked(served, words="a", skip=100)["hits"] == []


def test_a_picture_finds_itself_its_copy_and_no_probability(served: Browsed) -> None:
    first = asked(served)["hits"]
    dog = next(hit for hit in first if hit["path"].endswith("copy.png"))
    hits = asked(served, like=dog["ref"], near=0.97)["hits"]
    assert [hit["cosine"] for hit in hits[:2]] == [1, 1]
    assert {Path(hit["path"]).name for hit in hits[:2]} == {"copy.png", DOG.name}
    assert [hit["near"] for hit in hits[:3]] == [None, 0, None]
    assert {hit["evidence"] for hit in hits} == {None}
    dropped = served.page.post(
        "/dropped", content=DOG.read_bytes(), headers={"content-type": "image/png"}
    ).json()
    assert asked(served, dropped=dropped["dropped"], near=0.97)["hits"] == hits


def test_labels_are_shared_out_as_the_model_does(served: Browsed, model: Model) -> None:
    labels = ["pizza", "dog", "<b>flag</b>"]
    hit = asked(served, words="a dog")["hits"][0]
    answer = served.page.post("/labels", json={"ref": hit["ref"], "labels": labels}).json()
    expected = model.classify([served.library.folder / hit["path"]], labels)
    shares = dict(zip(labels, expected.probabilities[0].tolist(), strict=True))
    told = {share["label"]: share["share"] for share in answer["shares"]}
    assert told == pytest.approx(shares, abs=2e-4)
    assert [one["share"] for one in answer["shares"]] == sorted(told.values(), reverse=True)


@pytest.mark.parametrize(
    ("path", "request_", "status", "told"),
    [
        ("/hits", {"words": "  "}, 422, "no words to be like"),
        ("/hits", {"words": "a - a"}, 422, "cancel each other out"),
        ("/hits", {"words": "a", "like": "b"}, 422, "one of them"),
        ("/hits", {"words": "a" * 2001}, 422, "2000"),
        ("/hits", {"words": "a", "skip": MOST_SKIP + 1}, 422, "beyond"),
        ("/hits", {"count": 0}, 422, "count"),
        ("/hits", {"path": "/etc/passwd"}, 422, "no such field"),
        ("/hits", {"like": "../../etc/passwd"}, 404, "no longer in the library"),
        ("/hits", {"like": "0-0000000000000000"}, 404, "no longer in the library"),
        ("/hits", {"dropped": "00"}, 404, "drop it again"),
        ("/labels", {"ref": "0", "labels": ["a", "b"]}, 404, "no longer in the library"),
        ("/labels", {"ref": "0", "labels": ["a"]}, 422, "length >= 2"),
    ],
)
def test_a_bad_request_is_told_with_its_cure(
    served: Browsed, path: str, request_: dict[str, Any], status: int, told: str
) -> None:
    found, error = served.page.refused(path, json=request_)
    assert (found, told in error["message"]) == (status, True), error


def test_bad_labels_and_bad_pictures_are_told(served: Browsed) -> None:
    ref = asked(served)["hits"][0]["ref"]
    for labels in (["a", "a"], ["a", " "]):
        assert served.page.refused("/labels", json={"ref": ref, "labels": labels})[0] == 422
    for media, content, status in (
        ("image/png", b"no picture", 422),
        ("image/png", b"", 422),
        ("text/html", DOG.read_bytes(), 415),
    ):
        answer = served.page.refused("/dropped", content=content, headers={"content-type": media})
        assert answer[0] == status


def test_a_bundle_without_calibration_shows_cosines_and_says_so(
    loop: LoopThread, pictures: Path, tmp_path: Path, uncalibrated: Path
) -> None:
    with (
        load(uncalibrated, device="cpu", threads=2) as model,
        browsed(loop, pictures, tmp_path / "cache", model, bundle=str(uncalibrated)) as served,
    ):
        assert "twinlens calibrate" in served.page.get("/library").json()["uncalibrated"]
        hits = asked(served, words="a dog")["hits"]
        assert {hit["evidence"] for hit in hits} == {None}
        assert all(isinstance(hit["cosine"], float) for hit in hits)


def test_a_page_of_an_assumed_level_has_probabilities_and_names_it(
    loop: LoopThread, pictures: Path, tmp_path: Path, uncalibrated: Path
) -> None:
    bundle = assume(uncalibrated)
    with (
        load(bundle, device="cpu", threads=2) as model,
        browsed(
            loop, pictures, tmp_path / "cache", model, bundle=str(bundle), level="assumed"
        ) as served,
    ):
        told = served.page.get("/library").json()
        assert (told["level"], told["uncalibrated"]) == ("assumed", None)
        assert all(hit["evidence"] is not None for hit in asked(served, words="a dog")["hits"])


def test_the_library_tells_its_facts(served: Browsed) -> None:
    assert served.page.get("/library").json() == {
        "folder": str(served.library.folder),
        "separator": os.sep,
        "model": load("demo", threads=1).about["model"],
        "pictures": 21,
        "unreadable": 0,
        "expected": 1,
        "uncalibrated": None,
        "level": "fitted-pairs",
    }
