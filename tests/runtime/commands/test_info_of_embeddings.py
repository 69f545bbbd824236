"""twinlens info of a folder of embeddings: counts, and a changed byte."""

import json
from pathlib import Path

import pytest

import twinlens
from twinlens.__main__ import main

DRAWINGS = Path(twinlens.__file__).parent / "demo" / "drawings"


@pytest.fixture
def embeddings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    source, out = tmp_path / "photos", tmp_path / "out"
    source.mkdir()
    for path in sorted(DRAWINGS.iterdir())[:5]:
        (source / path.name).write_bytes(path.read_bytes())
    (source / "torn.png").write_bytes(b"no picture")
    assert main(["embed", "demo", str(source), "--out", str(out)]) == 1
    capsys.readouterr()
    return out


def test_a_folder_is_counted(embeddings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(embeddings), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["rows"], document["lost"], document["width"]) == (5, 1, 192)
    assert document["finished"]
    assert document["about"]["precision"] == "int8"
    (embeddings / "_finished.json").unlink()
    assert main(["info", str(embeddings)]) == 0
    assert "not met to its end" in capsys.readouterr().out


def test_a_changed_byte_is_found(embeddings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (part,) = embeddings.glob("*.parquet")
    content = bytearray(part.read_bytes())
    content[300] ^= 1
    part.write_bytes(content)
    assert main(["info", str(embeddings)]) == 1
    assert part.name in capsys.readouterr().err
