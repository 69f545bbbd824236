"""A bundle small enough to be made anew for every test."""

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import NFC, Lowercase, Replace
from tokenizers.normalizers import Sequence as NormalizerSequence
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as PreTokenizerSequence
from tokenizers.processors import RobertaProcessing

from twinlens.bundle.bundle import Bundle, open_bundle, sha256_of, write_manifest
from twinlens.bundle.manifest import Agreement, Manifest, Source, TowerFile, Towers
from twinlens.bundle.specs import ImageSpec, TextSpec

# Some tests import onnxruntime themselves; no test writes into the home or asks for a host.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# A busy machine is no fault of the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

START: Final = "<|startoftext|>"
END: Final = "<|endoftext|>"
MERGES: Final = ("d o", "do g</w>", "a n", "an d</w>", "t h", "th e</w>", "i n", "in g</w>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An ONNX program as text, and the bytes that `onnx.parser.parse_model` makes of it."""

    text: str
    content: bytes


IMAGE_PROGRAM: Final = Program(
    text="""
        <ir_version: 8, opset_import: ["": 17]>
        image (uint8[B, 4, 4, 3] pixel_values) => (float[B, 3] image_embeds) {
            floats = Cast<to=1>(pixel_values)
            means = ReduceMean<axes=[1, 2], keepdims=0>(floats)
            image_embeds = LpNormalization<axis=1>(means)
        }""",
    content=base64.b64decode(
        "CAg68gEKKQoMcGl4ZWxfdmFsdWVzEgZmbG9hdHMiBENhc3QqCQoCdG8YAaABAjoACj0KBmZsb2F0cxIFbWVhbnMiClJl"
        "ZHVjZU1lYW4qDQoEYXhlc0ABQAKgAQcqDwoIa2VlcGRpbXMYAKABAjoACjUKBW1lYW5zEgxpbWFnZV9lbWJlZHMiD0xw"
        "Tm9ybWFsaXphdGlvbioLCgRheGlzGAGgAQI6ABIFaW1hZ2VaJwoMcGl4ZWxfdmFsdWVzEhcKFQgCEhEKAxIBQgoCCAQK"
        "AggECgIIA2IfCgxpbWFnZV9lbWJlZHMSDwoNCAESCQoDEgFCCgIIA0IECgAQEQ=="
    ),
)
TEXT_PROGRAM: Final = Program(
    text="""
        <ir_version: 8, opset_import: ["": 17]>
        text (int64[B, T] input_ids) => (float[B, 3] text_embeds)
        <float[1, 3] widths = {1.0, 2.0, 5.0}>
        {
            floats = Cast<to=1>(input_ids)
            sums = ReduceMin<axes=[1], keepdims=1>(floats)
            scaled = Mul(sums, widths)
            waves = Sin(scaled)
            text_embeds = LpNormalization<axis=1>(waves)
        }""",
    content=base64.b64decode(
        "CAg6swIKJgoJaW5wdXRfaWRzEgZmbG9hdHMiBENhc3QqCQoCdG8YAaABAjoACjkKBmZsb2F0cxIEc3VtcyIJUmVkdWNl"
        "TWluKgsKBGF4ZXNAAaABByoPCghrZWVwZGltcxgBoAECOgAKHQoEc3VtcwoGd2lkdGhzEgZzY2FsZWQiA011bDoAChYK"
        "BnNjYWxlZBIFd2F2ZXMiA1NpbjoACjQKBXdhdmVzEgt0ZXh0X2VtYmVkcyIPTHBOb3JtYWxpemF0aW9uKgsKBGF4aXMY"
        "AaABAjoAEgR0ZXh0KhwIAQgDEAEiDAAAgD8AAABAAACgQEIGd2lkdGhzWh0KCWlucHV0X2lkcxIQCg4IBxIKCgMSAUIK"
        "AxIBVGIeCgt0ZXh0X2VtYmVkcxIPCg0IARIJCgMSAUIKAggDQgQKABAR"
    ),
)

PICK_PROGRAM: Final = Program(
    text="""
        <ir_version: 8, opset_import: ["": 17]>
        pick (int64[B] ids) => (float[B] rows)
        <float[2] table = {1.0, 2.0}>
        {
            rows = Gather<axis=0>(table, ids)
        }""",
    content=base64.b64decode(
        "CAg6cQopCgV0YWJsZQoDaWRzEgRyb3dzIgZHYXRoZXIqCwoEYXhpcxgAoAECOgASBHBpY2sqFQgCEAEiCAAAgD8A"
        "AABAQgV0YWJsZVoSCgNpZHMSCwoJCAcSBQoDEgFCYhMKBHJvd3MSCwoJCAESBQoDEgFCQgQKABAR"
    ),
)
"""Fails while it runs, on ids other than 0 and 1."""


@pytest.fixture(scope="session")
def programs() -> dict[str, Program]:
    return {"image": IMAGE_PROGRAM, "text": TEXT_PROGRAM, "pick": PICK_PROGRAM}


@pytest.fixture(scope="session")
def clip_tokenizer() -> Tokenizer:
    """CLIP's own pipeline, as transformers writes it, over bytes and a handful of merges."""
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    tokens += [merge.replace(" ", "") for merge in MERGES] + [START, END]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(
        BPE(
            vocabulary,
            [tuple(merge.split(" ")) for merge in MERGES],
            end_of_word_suffix="</w>",
            unk_token=END,
        )
    )
    tokenizer.add_special_tokens([AddedToken(START, special=True), AddedToken(END, special=True)])
    tokenizer.normalizer = NormalizerSequence([NFC(), Replace(Regex(r"\s+"), " "), Lowercase()])
    words = Regex(
        r"<\|startoftext\|>|<\|endoftext\|>"
        r"|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    )
    tokenizer.pre_tokenizer = PreTokenizerSequence(
        [Split(words, "removed", invert=True), ByteLevel(add_prefix_space=False)]
    )
    tokenizer.post_processor = RobertaProcessing(
        (END, vocabulary[END]),
        (START, vocabulary[START]),
        trim_offsets=False,
        add_prefix_space=False,
    )
    return tokenizer


@pytest.fixture
def bundle(tmp_path: Path, clip_tokenizer: Tokenizer) -> Bundle:
    """A whole bundle of two towers of width 3 that know colours and the smallest token."""
    folder = tmp_path / "tiny"
    (folder / "onnx").mkdir(parents=True)
    (folder / "onnx/vision_model.onnx").write_bytes(IMAGE_PROGRAM.content)
    (folder / "onnx/text_model.onnx").write_bytes(TEXT_PROGRAM.content)
    (folder / "tokenizer.json").write_text(clip_tokenizer.to_str(), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": "clip"}), encoding="utf-8")
    towers = Towers(
        device="any",
        image=tower_file(folder, "onnx/vision_model.onnx", "pixel_values", "image_embeds"),
        text=tower_file(folder, "onnx/text_model.onnx", "input_ids", "text_embeds"),
    )
    end = clip_tokenizer.token_to_id(END)
    manifest = Manifest(
        family="clip",
        source=Source(name="tiny", sha256="0" * 64),
        width=3,
        native_scale=100.0,
        image=ImageSpec(side_px=4),
        text=TextSpec(context=16, end_id=end, pad_id=end, trim=True),
        towers={"fp32": towers},
        files={name: sha256_of(folder / name) for name in ("tokenizer.json", "config.json")},
    )
    write_manifest(folder, manifest)
    return open_bundle(folder)


def tower_file(folder: Path, name: str, source: str, target: str) -> TowerFile:
    path = folder / name
    return TowerFile(
        file=name,
        sha256=sha256_of(path),
        bytes=path.stat().st_size,
        input=source,
        output=target,
        agreement=Agreement(worst_cosine=1, mean_cosine=1, top1=1, top10=1, samples=1),
    )
