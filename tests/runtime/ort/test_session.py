from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from imitated_cuda import imitate_onnxruntime

from twinlens.bundle.bundle import Bundle
from twinlens.errors import BundleError, ProviderError
from twinlens.ort.device import CPU
from twinlens.ort.session import Session

IDS = {"input_ids": np.array([[3, 5, 7]])}


@pytest.fixture
def text_tower(bundle: Bundle) -> Session:
    return open_tower(bundle)


def open_tower(bundle: Bundle) -> Session:
    path = bundle.path("onnx/text_model.onnx")
    return Session(path, device=CPU, threads=1, name="the text tower")


def test_a_program_runs_from_a_file_and_from_bytes(bundle: Bundle, text_tower: Session) -> None:
    content = bundle.path("onnx/text_model.onnx").read_bytes()
    twin = Session(content, device=CPU, threads=2, name="the same")
    rows = text_tower.run(IDS, "text_embeds")
    assert (rows.shape, rows.dtype) == ((1, 3), np.float32)
    np.testing.assert_array_equal(twin.run(IDS, "text_embeds"), rows)


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "missing"])
def test_a_program_that_cannot_be_read_is_a_bundle_error(
    bundle: Bundle, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = bundle.path("onnx/vision_model.onnx")
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "cut": content[:100], "text": b"hello"}[damage])
    with pytest.raises(BundleError, match=r"the tower cannot be opened: .*; export it again"):
        Session(path, device=CPU, threads=1, name="the tower")
    assert capfd.readouterr() == ("", "")


def test_inputs_and_outputs_are_checked_by_name(text_tower: Session) -> None:
    text_tower.require(inputs={"input_ids"}, outputs={"text_embeds"})
    for inputs, outputs in (
        ({"pixel_values"}, {"text_embeds"}),
        ({"input_ids", "attention_mask"}, {"text_embeds"}),
        (set[str](), {"text_embeds"}),
        ({"input_ids"}, {"image_embeds"}),
    ):
        with pytest.raises(
            BundleError,
            match=r"the text tower maps \['input_ids'\] to \['text_embeds'\], wanted .*; export it",
        ):
            text_tower.require(inputs=inputs, outputs=outputs)


@pytest.mark.parametrize(
    ("feeds", "output"),
    [
        ({"input_ids": np.zeros((2, 3), dtype=np.float32)}, "text_embeds"),
        ({"input_ids": np.zeros((2, 3, 4), dtype=np.int64)}, "text_embeds"),
        ({"ids": np.zeros((2, 3), dtype=np.int64)}, "text_embeds"),
        ({"input_ids": np.zeros((2, 3), dtype=np.int64)}, "rows"),
    ],
)
def test_a_run_that_fails_names_the_tower_and_the_shapes(
    text_tower: Session,
    feeds: dict[str, np.ndarray],
    output: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ProviderError, match=r"the text tower failed on \{'\w+': \[2, \d.*\]\}: "):
        text_tower.run(feeds, output)
    assert capfd.readouterr() == ("", "")


def test_a_node_that_fails_is_raised_and_not_printed(
    programs: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    program = Session(programs["pick"].content, device=CPU, threads=1, name="the pick")
    assert program.run({"ids": np.array([1, 0])}, "rows").tolist() == [2, 1]
    with pytest.raises(ProviderError, match=r"the pick failed on \{'ids': \[1\]\}: .*Gather"):
        program.run({"ids": np.array([7])}, "rows")
    assert capfd.readouterr() == ("", "")


def test_inputs_may_lie_on_the_device_and_outputs_come_back(
    text_tower: Session, capfd: pytest.CaptureFixture[str]
) -> None:
    (rows,) = text_tower.run_bound({"input_ids": IDS["input_ids"]}, ("text_embeds",))
    np.testing.assert_array_equal(rows, text_tower.run(IDS, "text_embeds"))
    held = text_tower.upload(np.array([[3, 5, 7], [1, 2, 3]]).T[:, :2].T)
    assert held.shape == (2, 3)
    for _ in range(2):
        (rows,) = text_tower.run_bound({"input_ids": held}, ("text_embeds",))
        assert rows.shape == (2, 3)
    with pytest.raises(ProviderError, match=r"the text tower failed on \{'ids': \[2, 3\]\}: "):
        text_tower.run_bound({"ids": held}, ("text_embeds",))
    assert capfd.readouterr() == ("", "")


def test_a_device_that_takes_no_array_says_how_large_it_was(
    text_tower: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("out of memory")

    imitate_onnxruntime(monkeypatch, OrtValue=SimpleNamespace(ortvalue_from_numpy=refuse))
    with pytest.raises(
        ProviderError, match="cpu does not take 80 bytes for the text tower: out of memory"
    ):
        text_tower.upload(np.zeros(10))


def test_an_array_of_any_layout_is_bound_as_its_values(text_tower: Session) -> None:
    ids = np.arange(24).reshape(6, 4).T[::2]
    wanted = text_tower.run({"input_ids": ids.copy()}, "text_embeds")
    np.testing.assert_array_equal(
        text_tower.run_on_device({"input_ids": ids}, "text_embeds").numpy(), wanted
    )
    (rows,) = text_tower.run_bound({"input_ids": ids}, ("text_embeds",))
    np.testing.assert_array_equal(rows, wanted)
