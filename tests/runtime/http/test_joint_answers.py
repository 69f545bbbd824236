"""POST /match, /classify and /search: the answers of the model and of the index."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assumed_bundle import assume
from http_servers import InProcess, LoopThread, in_process

import twinlens
from twinlens import Index, Model
from twinlens.model.zero_shot import TEMPLATES

TEXTS = ["a dog", "a slice of pizza", "a red car"]


def test_match_tells_the_probabilities_of_the_model(
    service: InProcess, model: Model, uris: list[str], pictures: list[bytes]
) -> None:
    pairs = [{"image": uri, "text": text} for uri, text in zip(uris, TEXTS, strict=False)]
    for more in ({}, {"prior": 0.01}):
        answer = service.post("/match", json={"pairs": pairs, **more}).json()
        expected = model.match(pictures[:3], TEXTS, **more)
        np.testing.assert_array_equal(np.array(answer["probabilities"], np.float32), expected)
    assert answer["level"] == model.level
    assert answer["truncated"] == []


def test_match_names_the_pairs_whose_texts_were_cut(service: InProcess, uris: list[str]) -> None:
    pairs = [
        {"image": uri, "text": text} for uri, text in zip(uris, ("a", "dog " * 99), strict=False)
    ]
    assert service.post("/match", json={"pairs": pairs}).json()["truncated"] == [1]


def test_match_without_a_calibration_is_a_409(
    loop: LoopThread, uncalibrated: Path, uris: list[str]
) -> None:
    with in_process(loop, bundle=str(uncalibrated)) as service:
        status, error = service.refused("/match", json={"pairs": [{"image": uris[0], "text": "a"}]})
        assert (status, error["code"]) == (409, "not_calibrated")
        assert "twinlens calibrate" in error["message"]


def test_match_of_a_service_of_an_assumed_level_names_it(
    loop: LoopThread, uncalibrated: Path, uris: list[str]
) -> None:
    pairs = {"pairs": [{"image": uris[0], "text": "a dog"}]}
    with in_process(loop, bundle=str(assume(uncalibrated)), level="assumed") as service:
        answer = service.post("/match", json=pairs).json()
        assert answer["level"] == "assumed"
        assert 0 < answer["probabilities"][0] < 1


@pytest.mark.parametrize("more", [{}, {"templates": ["a {}", "a drawing of a {}"]}])
def test_classify_tells_the_shares_of_the_model(
    service: InProcess, model: Model, uris: list[str], pictures: list[bytes], more: dict[str, Any]
) -> None:
    labels = ["dog", "pizza", "car"]
    answer = service.post("/classify", json={"images": uris, "labels": labels, **more}).json()
    expected = model.classify(pictures, labels, **more)
    assert [result["label"] for result in answer["results"]] == expected.best
    shares = [[result["shares"][label] for label in labels] for result in answer["results"]]
    np.testing.assert_array_equal(np.array(shares, np.float32), expected.probabilities)


def test_labels_are_embedded_once_for_many_pictures(service: InProcess, uris: list[str]) -> None:
    def ask() -> int:
        before = service.service.stats()
        answer = service.post("/classify", json={"images": uris[:1], "labels": labels})
        assert answer.status_code == 200
        return service.service.stats().items - before.items

    labels = [f"label {number}" for number in range(20)]
    assert ask() == 20 * len(TEMPLATES) + 1
    assert ask() == 1


def test_search_finds_the_hits_of_the_index(
    service: InProcess, model: Model, index_folder: str, uris: list[str], pictures: list[bytes]
) -> None:
    index = Index.open(index_folder)
    for body, rows in (
        ({"texts": TEXTS}, model.embed_texts(TEXTS)),
        ({"images": uris[:2]}, model.embed_images(pictures[:2])),
    ):
        answer = service.post("/search", json={**body, "k": 3}).json()
        hits = index.search(rows, 3)
        for number, result in enumerate(answer["results"]):
            assert [hit["id"] for hit in result["hits"]] == hits.ids[number].tolist()
            assert [hit["row"] for hit in result["hits"]] == hits.rows[number].tolist()
            cosines = np.array([hit["cosine"] for hit in result["hits"]], np.float32)
            np.testing.assert_array_equal(cosines, hits.cosines[number])


BAD: dict[str, tuple[str, dict[str, Any], int, str | None, str]] = {
    "no pairs": ("/match", {"pairs": []}, 422, "pairs", "is empty"),
    "half a pair": ("/match", {"pairs": [{"text": "a"}]}, 422, "pairs[0]", "`image`"),
    "no image": (
        "/match",
        {"pairs": [{"text": "a", "image": "eA"}]},
        422,
        "pairs[0].image",
        "no image",
    ),
    "no share": ("/match", {"pairs": [], "prior": 1}, 422, "prior", "< 1"),
    "no labels": ("/classify", {"images": ["eA"], "labels": []}, 422, "labels", "at least one"),
    "a label twice": (
        "/classify",
        {"images": ["eA"], "labels": ["a", "a"]},
        422,
        "labels",
        "twice",
    ),
    "no templates": (
        "/classify",
        {"images": ["eA"], "labels": ["a"], "templates": []},
        422,
        "labels",
        "one template",
    ),
    "no place": (
        "/classify",
        {"images": ["eA"], "labels": ["a"], "templates": ["x"]},
        422,
        "labels",
        "places",
    ),
    "nothing to classify": (
        "/classify",
        {"images": [], "labels": ["a"]},
        422,
        "images",
        "is empty",
    ),
    "many labels": (
        "/classify",
        {"images": ["eA"], "labels": [f"{n}" for n in range(2049)]},
        422,
        "labels",
        "2,049 labels",
    ),
    "a long label": (
        "/classify",
        {"images": ["eA"], "labels": ["a", "b" * 1001]},
        422,
        "labels[1]",
        "1,001 characters",
    ),
    "a long template": (
        "/classify",
        {"images": ["eA"], "labels": ["a"], "templates": ["{}" * 501]},
        422,
        "templates[0]",
        "1,002 characters",
    ),
    "many hits": ("/search", {"texts": ["a"] * 51, "k": 1000}, 422, "k", "more than 50,000"),
    "no query": ("/search", {}, 422, "texts", "wanted texts or images"),
    "queries of both kinds": (
        "/search",
        {"texts": ["a"], "images": ["eA"]},
        422,
        "texts",
        "one of them",
    ),
    "no texts": ("/search", {"texts": []}, 422, "texts", "is empty"),
    "no hits": ("/search", {"texts": ["a"], "k": 0}, 422, "k", ">= 1"),
    "too many hits": ("/search", {"texts": ["a"], "k": 1001}, 422, "k", "<= 1000"),
    "another model": ("/search", {"texts": ["a"], "model": "b"}, 404, "model", "this server has"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_is_named_with_its_place(service: InProcess, case: str) -> None:
    path, body, status, param, words = BAD[case]
    got, error = service.refused(path, json=body)
    assert (got, error["param"]) == (status, param)
    assert words in error["message"]


def test_without_an_index_there_is_no_search(loop: LoopThread) -> None:
    with in_process(loop) as service:
        status, error = service.refused("/search", json={"texts": ["a"]})
        assert (status, error["code"]) == (404, "no_index")
        assert "--index" in error["message"]


def test_pictures_of_other_pixels_are_no_queries(
    loop: LoopThread, index_folder: str, uris: list[str]
) -> None:
    with in_process(loop, index=index_folder, pixels="fast") as service:
        status, error = service.refused("/search", json={"images": uris[:1]})
        assert (status, error["code"]) == (409, "other_pixels")
        assert service.post("/search", json={"texts": ["a"]}).status_code == 200


@pytest.mark.parametrize(
    "change", [lambda about: about | {"sha256": "0" * 64}, lambda _: {}], ids=["sha", "width"]
)
def test_the_index_of_another_model_is_refused_at_the_start(
    loop: LoopThread,
    tmp_path: Path,
    model: Model,
    change: Callable[[dict[str, str]], dict[str, str]],
) -> None:
    about = change(model.about)
    rows = np.eye(192 if about else 64, dtype=np.float32)
    Index.write(tmp_path / "other.index", rows, about=about)
    with (
        pytest.raises(twinlens.IndexFileError, match="make the index again"),
        in_process(loop, index=tmp_path / "other.index"),
    ):
        pass
