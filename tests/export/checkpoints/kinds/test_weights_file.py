"""Files of weights: OpenAI's archives, Long-CLIP's and OpenCLIP's state dicts, by open_clip."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pickle_trap import SPRUNG, Trap
from safetensors.torch import save_file
from tiny_tokenizers import clip_tokenizer

from twinlens_export.checkpoints.checkpoint import read_checkpoint
from twinlens_export.errors import CheckpointError
from twinlens_export.verification import reference_model

SIZES = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 64, "layers": 2},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2},
}


@pytest.fixture
def model() -> Any:  # noqa: ANN401
    try:
        import open_clip  # noqa: PLC0415
    except (ImportError, RuntimeError) as error:  # torchvision's, where it does not fit torch
        pytest.skip(f"open_clip is not there ({error})")
    torch.manual_seed(0)
    return open_clip.CLIP(**SIZES).eval()


def rows(path: Path, ids: Any) -> Any:  # noqa: ANN401
    return reference_model.text_rows(read_checkpoint(str(path)), ids)


def ids_of(context: int) -> Any:  # noqa: ANN401
    ids = np.zeros((3, context), dtype=np.int64)
    ids[:, 0], ids[:, 1:9] = 49406, np.arange(24).reshape(3, 8) + 300
    ids[0, 9] = ids[1, 30] = ids[2, context - 1] = 49407
    return ids


def wanted(model: Any, ids: Any) -> Any:  # noqa: ANN401
    with torch.inference_mode():
        return torch.nn.functional.normalize(model.encode_text(torch.from_numpy(ids)), dim=-1)


def with_buffers(model: Any) -> Any:  # noqa: ANN401
    for name, value in (("input_resolution", 32), ("context_length", 77), ("vocab_size", 49408)):
        vars(model).pop(name, None)
        model.register_buffer(name, torch.tensor(value))
    return model


@pytest.mark.filterwarnings("ignore:Converting a tensor")  # of the archive's making
@pytest.mark.filterwarnings("ignore::FutureWarning")  # likewise
@pytest.mark.parametrize("is_archive", [True, False])
def test_openais_file_is_recognised_by_its_shapes(
    is_archive: bool,
    model: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    path, ids = tmp_path / "ViT-Tiny.pt", ids_of(77)
    rows_of = wanted(model, ids).numpy()
    with_buffers(model)
    if is_archive:
        given = (torch.zeros(1, 3, 32, 32), torch.from_numpy(ids[:1]))
        torch.jit.save(torch.jit.trace(model, given, check_trace=False), path)
    else:
        weights = {f"module.{n}": t for n, t in model.state_dict().items()}
        torch.save({"epoch": 3, "model_state_dict": weights, "optimizer_state_dict": {}}, path)
    found = read_checkpoint(str(path))
    assert (found.name, found.family.name) == ("ViT-Tiny", "open_clip")
    assert found.image_spec.side_px == 32
    assert found.text.encoder.activation == "quick_gelu"
    np.testing.assert_allclose(reference_model.text_rows(found, ids), rows_of, atol=1e-6)


def test_long_clip_keeps_the_first_positions_of_clip(model: Any, tmp_path: Path) -> None:  # noqa: ANN401
    state = dict(model.state_dict())
    state["positional_embedding"] = torch.randn(248, 64)
    state["positional_embedding_res"] = torch.randn(248, 64)
    state = {f"clip.{name}": tensor for name, tensor in state.items()}
    torch.save({"state_dict": state | {"loss.weight": torch.ones(2)}}, tmp_path / "longclip-B.pt")
    state = {name.removeprefix("clip."): tensor for name, tensor in state.items()}
    found = read_checkpoint(str(tmp_path / "longclip-B.pt"))
    assert found.text_spec.context == 248
    both = found.text.position_embedding
    np.testing.assert_array_equal(both[:20], state["positional_embedding"][:20])
    np.testing.assert_array_equal(both[20:], state["positional_embedding_res"][20:])


def test_another_state_dict_needs_its_configuration(model: Any, tmp_path: Path) -> None:  # noqa: ANN401
    path = tmp_path / "epoch_32.pt"
    torch.save(model.state_dict(), path)
    with pytest.raises(CheckpointError, match=r"put the open_clip_config.json of its training"):
        read_checkpoint(str(path))
    document = {"model_cfg": SIZES, "preprocess_cfg": {}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(document))
    ids = ids_of(77)
    np.testing.assert_allclose(rows(path, ids), wanted(model, ids).numpy(), atol=1e-6)


def test_a_file_that_would_run_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Trap()}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="no readable weights"):
        read_checkpoint(str(tmp_path / "model.pt"))
    assert not (tmp_path / SPRUNG).exists()


def test_weights_of_other_names_are_refused(tmp_path: Path) -> None:
    save_file({"fc.weight": torch.zeros(2, 2)}, tmp_path / "resnet.safetensors")
    with pytest.raises(CheckpointError, match=r"no weights of OpenAI's or OpenCLIP's names, such"):
        read_checkpoint(str(tmp_path / "resnet.safetensors"))


def test_a_tokenizer_beside_the_file_is_read(
    model: Any,  # noqa: ANN401
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    path = tmp_path / "epoch_32.pt"
    torch.save({"state_dict": model.state_dict()}, path)
    text = SIZES["text_cfg"] | {"hf_tokenizer_name": "anyone/anything"}  # type: ignore[operator]
    document = {"model_cfg": SIZES | {"text_cfg": text}, "preprocess_cfg": {}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match=f"^{tmp_path} has no readable tokenizer"):
        read_checkpoint(str(path))
    clip_tokenizer(context=77).save_pretrained(tmp_path)
    spec = read_checkpoint(str(path)).text_spec
    assert (spec.context, spec.clean, spec.end_id) == (77, "openai_cased", 513)
