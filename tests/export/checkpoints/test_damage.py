"""Each file of a checkpoint damaged in each way: one line of error of ours, or a right export."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import twinlens_export
from twinlens_export.errors import ExportError
from twinlens_export.verification.samples import SampleFiles

FILES = {
    "clip": (
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ),
    "siglip": ("config.json", "spiece.model", "tokenizer_config.json"),
}
WRONG = (None, True, -1, 0, 1e300, "", "x\x1b\n" * 1000, [], [1, "a"], {}, {"a": {"b": []}})


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def deleted(path: Path) -> None:
    path.unlink()


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(0).randbytes(2000))


def nested(path: Path) -> None:
    path.write_text("[" * 100_000)


def as_list(path: Path) -> None:
    path.write_text("[1, 2]")


def as_pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 6052\n")


DAMAGE = (truncated, emptied, as_folder, deleted, garbage, nested, as_list, as_pointer)


def require_ours_or_right(folder: Path, out: Path, samples: SampleFiles) -> str | None:
    """Export, and return the message of the error; None: it is exported."""
    shutil.rmtree(out, ignore_errors=True)
    try:
        twinlens_export.export(folder, out, precisions=["fp32"], samples=samples)
    except ExportError as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 900
        assert not out.exists()
        return message
    return None


@pytest.fixture
def few_samples(sample_files: SampleFiles, tmp_path: Path) -> SampleFiles:
    """Four pictures and texts: enough to see a wrong one."""
    assert sample_files.images is not None
    (tmp_path / "few").mkdir()
    for path in sorted(sample_files.images.iterdir())[:4]:
        shutil.copy(path, tmp_path / "few")
    return SampleFiles(images=tmp_path / "few", texts=sample_files.texts)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(("family", "name"), [(f, name) for f in FILES for name in FILES[f]])
def test_a_damaged_file_is_an_error_of_ours(
    family: str,
    name: str,
    damage: Callable[[Path], None],
    family_folder: Callable[[str], Path],
    few_samples: SampleFiles,
    tmp_path: Path,
) -> None:
    folder = Path(shutil.copytree(family_folder(family), tmp_path / "copied"))
    damage(folder / name)
    message = require_ours_or_right(folder, tmp_path / "out", few_samples)
    if damage is as_pointer:
        assert message is not None
        assert "git lfs pull" in message


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES["clip"])
def test_flipped_bits_are_errors_of_ours_or_change_what_is_said(
    name: str, family_folder: Callable[[str], Path], few_samples: SampleFiles, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(family_folder("clip"), tmp_path / "copied"))
    whole, rng = (folder / name).read_bytes(), random.Random(name)
    for _ in range(12):
        damaged, place = bytearray(whole), rng.randrange(min(len(whole), 4000))
        damaged[place] ^= 1 << rng.randrange(8)
        (folder / name).write_bytes(damaged)
        require_ours_or_right(folder, tmp_path / "out", few_samples)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", ["text_config", "vision_config", "", "preprocessor_config.json"])
def test_values_of_wrong_types_are_errors_of_ours(
    part: str, family_folder: Callable[[str], Path], few_samples: SampleFiles, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(family_folder("clip"), tmp_path / "copied"))
    path = folder / (part if part.endswith(".json") else "config.json")
    whole, rng = path.read_text(), random.Random(part)
    fields = json.loads(whole)
    names = sorted(fields.get(part, fields))
    for name in names:
        document = json.loads(whole)
        target = document.get(part, document)
        target[name] = rng.choice(WRONG)
        path.write_text(json.dumps(document))
        require_ours_or_right(folder, tmp_path / "out", few_samples)
