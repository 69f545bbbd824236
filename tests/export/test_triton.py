"""Triton's repository: a configuration in its own fields, models that a plain onnxruntime runs."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import Message
from half_demo import half_demo
from onnx.reference import ReferenceEvaluator

import twinlens
from twinlens.bundle.bundle import MANIFEST, open_bundle, sha256_of
from twinlens.bundle.sealed_json import write_sealed
from twinlens.demo.samples import bundled_drawings
from twinlens.images.load import load
from twinlens.loading import folder_of
from twinlens.texts.tokenizer import Tokenizer
from twinlens_export.__main__ import main

FIELD = descriptor_pb2.FieldDescriptorProto
STRING, INT32, INT64, UINT64 = (
    FIELD.TYPE_STRING,
    FIELD.TYPE_INT32,
    FIELD.TYPE_INT64,
    FIELD.TYPE_UINT64,
)
MESSAGE, ENUM = FIELD.TYPE_MESSAGE, FIELD.TYPE_ENUM
ONE, MANY = FIELD.LABEL_OPTIONAL, FIELD.LABEL_REPEATED

# Fields of model_config.proto with their numbers: those that a model of one tower needs.
MESSAGES: dict[str, list[tuple[Any, ...]]] = {
    "ModelInput": [
        ("name", 1, STRING, ONE), ("data_type", 2, ENUM, ONE, "DataType"),
        ("dims", 4, INT64, MANY),
    ],
    "ModelOutput": [
        ("name", 1, STRING, ONE), ("data_type", 2, ENUM, ONE, "DataType"),
        ("dims", 3, INT64, MANY),
    ],
    "ModelInstanceGroup": [("kind", 4, ENUM, ONE, "Kind"), ("count", 2, INT32, ONE)],
    "ModelDynamicBatching": [
        ("preferred_batch_size", 1, INT32, MANY), ("max_queue_delay_microseconds", 2, UINT64, ONE),
    ],
    "ModelParameter": [("string_value", 1, STRING, ONE)],
    "ParametersEntry": [("key", 1, STRING, ONE), ("value", 2, MESSAGE, ONE, "ModelParameter")],
    "ModelConfig": [
        ("name", 1, STRING, ONE), ("backend", 17, STRING, ONE), ("max_batch_size", 4, INT32, ONE),
        ("input", 5, MESSAGE, MANY, "ModelInput"), ("output", 6, MESSAGE, MANY, "ModelOutput"),
        ("instance_group", 7, MESSAGE, MANY, "ModelInstanceGroup"),
        ("dynamic_batching", 11, MESSAGE, ONE, "ModelDynamicBatching"),
        ("parameters", 14, MESSAGE, MANY, "ParametersEntry"),
    ],
}  # fmt: skip
ENUMS = {
    "DataType": {"TYPE_INVALID": 0, "TYPE_UINT8": 2, "TYPE_INT64": 9, "TYPE_FP32": 11},
    "Kind": {"KIND_AUTO": 0, "KIND_GPU": 1, "KIND_CPU": 2},
}


@pytest.fixture(scope="session")
def model_config() -> type[Message]:
    """Triton's message ModelConfig: a name that it lacks is an error of the parser."""
    file = descriptor_pb2.FileDescriptorProto(name="triton.proto", package="t", syntax="proto3")
    for name, values in ENUMS.items():
        kind = file.enum_type.add(name=name)
        for value, number in values.items():
            kind.value.add(name=value, number=number)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, label, *of in fields:
            added = message.field.add(name=field, number=number, type=kind, label=label)
            if of:
                added.type_name = f".t.{of[0]}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.ModelConfig"))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(half_demo(), tmp_path / "demo"))


@pytest.fixture
def repository(bundle: Path, tmp_path: Path) -> Path:
    assert main([str(bundle), "--triton", str(tmp_path / "models")]) == 0
    return tmp_path / "models"


def plain_rows(folder: Path, values: np.ndarray) -> np.ndarray:
    """Embed by an onnxruntime that knows nothing of twinlens, as in Triton's backend."""
    session = onnxruntime.InferenceSession(folder / "1" / "model.onnx")
    (rows,) = session.run(None, {session.get_inputs()[0].name: values})
    return rows


def packed(texts: list[str], tokens: int) -> np.ndarray:
    """Tokenise texts and pad each to the same number of tokens."""
    spec = open_bundle(folder_of("demo")).manifest.text
    tokenizer = Tokenizer(folder_of("demo") / spec.tokenizer, spec)
    ids = np.full((len(texts), tokens), spec.pad_id, dtype=np.int64)
    for row, found in zip(ids, tokenizer.encode_ragged(texts, on_cut="ignore"), strict=True):
        row[: len(found)] = found
    return ids


def test_the_configuration_is_tritons_and_fits_the_model(
    repository: Path, model_config: type[Message]
) -> None:
    names = sorted(folder.name for folder in repository.iterdir())
    assert names == ["demo_image_fp16", "demo_image_int8", "demo_text_fp16", "demo_text_int8"]
    for name in names:
        text = (repository / name / "config.pbtxt").read_text(encoding="utf-8")
        config: Any = text_format.Parse(text, model_config())
        assert config.backend == "onnxruntime"
        assert config.HasField("dynamic_batching")
        assert config.dynamic_batching.max_queue_delay_microseconds == 0
        (group,) = config.instance_group
        assert group.kind == ENUMS["Kind"]["KIND_GPU" if name.endswith("fp16") else "KIND_CPU"]
        session = onnxruntime.InferenceSession(repository / name / "1" / "model.onnx")
        for found, real in zip(
            (*config.input, *config.output),
            (*session.get_inputs(), *session.get_outputs()),
            strict=True,
        ):
            assert found.name == real.name
            dtype = {"tensor(uint8)": 2, "tensor(int64)": 9, "tensor(float)": 11}[real.type]
            assert found.data_type == dtype
            # The batch is Triton's own dimension; a size that varies is -1 there, a name here.
            assert [*found.dims] == [s if isinstance(s, int) else -1 for s in real.shape[1:]]


def test_tritons_own_message_reads_the_configuration(repository: Path) -> None:
    triton = pytest.importorskip("tritonclient.grpc.model_config_pb2", exc_type=Exception)
    for path in repository.glob("*/config.pbtxt"):
        config = text_format.Parse(path.read_text(encoding="utf-8"), triton.ModelConfig())
        assert config.max_batch_size > 1


def test_a_plain_onnxruntime_gives_the_rows_of_twinlens(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The functions inside an int8 file are what Triton runs; natively, cosines are 0.9997 and more.
    monkeypatch.setenv("TWINLENS_OPERATORS", "none")
    model = twinlens.load("demo", precision="int8", device="cpu", threads=1)
    drawings = [drawing.path for drawing in bundled_drawings()][:5]
    spec = open_bundle(folder_of("demo")).manifest.image
    pixels = np.stack([load(path, spec) for path in drawings])
    images = plain_rows(repository / "demo_image_int8", pixels)
    np.testing.assert_allclose(images, model.embed_images(drawings), atol=2e-6)
    texts = ["a dog", "a slice of pizza on a plate", "flags"]
    for tokens in (16, 32):
        rows = plain_rows(repository / "demo_text_int8", packed(texts, tokens))
        np.testing.assert_allclose(rows, model.embed_texts(texts), atol=2e-6)


def test_onnxs_own_checker_and_evaluator_take_an_int8_model(repository: Path) -> None:
    """Its functions have operators of ONNX alone, whose types and shapes are known."""
    for path in repository.glob("*/1/model.onnx"):
        onnx.checker.check_model(path, full_check=True)
    ids = packed(["a slice of pizza on a plate"], 16)
    folder = repository / "demo_text_int8"
    (row,) = ReferenceEvaluator(str(folder / "1" / "model.onnx")).run(None, {"input_ids": ids})
    # A sum of floats in another order may round a token to the next code.
    assert (row * plain_rows(folder, ids)).sum() > 0.9998


def test_a_bundle_of_an_earlier_version_is_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of signed weights, whose sums saturate on x86 without VNNI."""
    file = bundle / "onnx" / "text_model_int8.onnx"
    model = onnx.load(file)
    products = (node for node in model.functions[0].node if node.op_type == "MatMulInteger")
    product = next(products)
    product.op_type, product.domain = "MatMulIntegerToFloat", "com.microsoft"
    onnx.save(model, file)
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    manifest.pop("sha256")
    manifest["towers"]["int8"]["text"] |= {
        "sha256": sha256_of(file),
        "bytes": file.stat().st_size,
    }
    manifest["calibrations"].pop("int8")
    write_sealed(bundle / MANIFEST, manifest)
    for option in ("--triton", "--portable"):
        out = tmp_path / "out"
        assert main([str(bundle), option, str(out), "--precision", "int8"]) == 1
        assert "has an operator MatMulIntegerToFloat" in capsys.readouterr().err
        assert not out.exists()


def test_external_data_lie_beside_the_model(bundle: Path, tmp_path: Path) -> None:
    file = bundle / "onnx" / "vision_model_int8.onnx"
    proto = onnx.load(file)
    onnx.save(proto, file, save_as_external_data=True, location="weights.bin", size_threshold=4096)
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    manifest.pop("sha256")
    data = file.with_name("weights.bin")
    manifest["towers"]["int8"]["image"] |= {
        "sha256": sha256_of(file),
        "bytes": file.stat().st_size + data.stat().st_size,
        "beside": {"onnx/weights.bin": sha256_of(data)},
    }
    manifest["calibrations"].pop("int8")
    write_sealed(bundle / MANIFEST, manifest)
    out = tmp_path / "models"
    assert main([str(bundle), "--triton", str(out), "--precision", "int8"]) == 0
    folder = out / "demo_image_int8"
    assert (folder / "1" / "weights.bin").stat().st_size > 1_000_000
    assert plain_rows(folder, np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 192)


def test_models_are_replaced_by_force_and_never_what_another_wrote(
    repository: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = [str(bundle), "--triton", str(repository)]
    assert main(again) == 1
    assert "exists already; replace it with --force" in capsys.readouterr().err
    assert main([*again, "--force"]) == 0
    (repository / "demo_text_int8" / "config.pbtxt").write_text('backend: "python"')
    assert main([*again, "--force"]) == 1
    assert "was not written by twinlens-export" in capsys.readouterr().err
    assert (repository / "demo_text_int8" / "config.pbtxt").read_text() == 'backend: "python"'


def test_a_changed_bundle_writes_no_model(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (bundle / "onnx" / "text_model_int8.onnx").open("r+b") as file:
        file.seek(1000)
        file.write(b"\x00\x01\x02\x03")
    assert main([str(bundle), "--triton", str(tmp_path / "models")]) == 1
    assert "was changed after the export" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_a_precision_that_the_bundle_lacks_is_named(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(bundle), "--triton", str(tmp_path / "models"), "--precision", "fp32"]
    assert main(arguments) == 1
    assert "has no towers in fp32, only in fp16, int8" in capsys.readouterr().err


def test_without_out_and_without_triton_there_is_nothing_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["checkpoint"])
    assert "OUT is missing" in capsys.readouterr().err
