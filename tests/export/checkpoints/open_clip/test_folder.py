"""Files of a checkpoint in the folder that open_clip reads."""

from pathlib import Path

import pytest

from twinlens_export.checkpoints.open_clip.folder import link


@pytest.mark.parametrize("forbidden", [False, True])
def test_a_file_and_a_folder_are_there_where_links_are_forbidden_too(
    forbidden: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, place = tmp_path / "checkpoint", tmp_path / "place"
    (checkpoint / "tokenizer").mkdir(parents=True)
    (checkpoint / "tokenizer" / "vocab.txt").write_text("a")
    (checkpoint / "merges.txt").write_text("b")
    place.mkdir()
    if forbidden:

        def refuse(_: Path, target: Path) -> None:
            raise OSError(f"a required privilege is not held by the client: {target}")

        monkeypatch.setattr(Path, "symlink_to", refuse)
    for path in checkpoint.iterdir():
        link(path, place)
    assert (place / "tokenizer" / "vocab.txt").read_text() == "a"
    assert (place / "merges.txt").read_text() == "b"
    assert (place / "merges.txt").is_symlink() is not forbidden
