"""An index of codes alone on the command line, and served: bounds of cosines, and the flag."""

import json
from pathlib import Path

import pytest
from http_servers import LoopThread, in_process

from twinlens import Index, Model
from twinlens.__main__ import main
from twinlens.demo.samples import bundled_drawings

DRAWINGS = [str(drawing.path) for drawing in bundled_drawings()[:6]]


@pytest.mark.parametrize(("keep", "coarse"), [("codes16", 1e-4), ("codes8", 0.02)])
def test_cosines_come_with_their_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: Model, keep: str, coarse: float
) -> None:
    out, query = str(tmp_path / "kept.index"), "a cat"
    assert main(["index", "demo", *DRAWINGS, "--out", out, "--keep", keep]) == 0
    capsys.readouterr()
    assert main(["info", out, "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["keeps"], 0 < info["error"] < coarse) == (keep, True)
    assert main(["search", "demo", out, query, "-k", "6", "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    asked = model.embed_texts([query])
    given = Index.build(model.embed_images(DRAWINGS), ids=DRAWINGS).search(asked, k=6)
    true = dict(zip(given.ids[0], given.cosines[0].tolist(), strict=True))
    assert {hit["name"] for hit in answer["hits"]} == set(true)
    for hit in answer["hits"]:
        assert abs(hit["cosine"] - true[hit["name"]]) <= hit["error"] < coarse
    if answer["exact"]:
        assert [hit["name"] for hit in answer["hits"]] == given.ids[0].tolist()
    assert main(["search", "demo", out, query]) == 0
    assert "+-0.0" in capsys.readouterr().out
    loop = LoopThread()
    with in_process(loop, index=out) as service:
        served = service.post("/search", json={"texts": [query], "k": 6}).json()
    loop.end()
    (result,) = served["results"]
    assert result["exact"] == answer["exact"]
    assert [hit["id"] for hit in result["hits"]] == [hit["name"] for hit in answer["hits"]]
    assert all(0 < hit["error"] < coarse for hit in result["hits"])


def test_an_index_keeps_what_it_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "kept.index")
    assert main(["index", "demo", *DRAWINGS[:2], "--out", out, "--keep", "codes8"]) == 0
    assert main(["index", "demo", *DRAWINGS[:3], "--out", out]) == 0
    assert Index.open(out).kept == "codes8"
    assert main(["index", "demo", *DRAWINGS, "--out", out, "--keep", "rows"]) == 1
    assert "keeps codes8, wanted rows: name another folder" in capsys.readouterr().err
    assert main(["info", out]) == 0
    assert "keeps codes8: cosines are within 0.0" in capsys.readouterr().out
