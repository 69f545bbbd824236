"""Compare every family with its original, in every precision.

    python -m bench.parity [--only SUBSTRING] [--out bench/results/parity.json]
    python -m bench.parity --page          # docs/pages/models/parity.md, from the results

The shapes are those of real checkpoints; the weights are random, with biases and norms that are not
zeros and ones. Each is saved as its own library saves it, exported, and compared with the original
by the exporter itself, on drawings and captions: ids and pixels, then rows. OpenCLIP's need
open_clip_torch; its whole registry is read by configuration, and one model of each kind exported.
"""

import argparse
import gc
import importlib
import json
import sys
import tempfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import transformers
from transformers import PretrainedConfig

from bench.harness.machine import commit, versions
from bench.harness.paths import DEMO_TOKENIZER, RESULTS
from bench.harness.random_weights import accept_any_ranking
from bench.harness.timing import spent_by
from bench.input.open_clip_checkpoints import save_open_clip, with_random_norms
from bench.input.open_clip_registry import refusals, registry
from bench.input.torchvision_stub import import_torchvision
from bench.parity_page import write_page
from twinlens.bundle.manifest import Manifest
from twinlens.bundle.specs import PRECISIONS
from twinlens.demo.samples import bundled_drawings
from twinlens_export import SampleFiles, export
from twinlens_export.errors import AgreementError
from twinlens_export.verification import verify

START, END = 3070, 3071
"""Start and end ids of the demo's tokenizer, which stands in for those of the checkpoints."""
PACKAGES = ("torch", "transformers", "onnxruntime")
SAMPLES = 12
"""Number of drawings and captions: two thirds are compared, the others calibrate int8."""


def transformer(
    width: int, heads: int, layers: int, activation: str = "quick_gelu", wide: int = 0
) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "intermediate_size": wide or 4 * width,
        "hidden_act": activation,
    }


def clip(
    image: dict[str, Any], text: dict[str, Any], *, side: int, patch: int, width: int
) -> PretrainedConfig:
    marks = {"bos_token_id": START, "eos_token_id": END, "pad_token_id": END}
    return transformers.CLIPConfig(
        projection_dim=width,
        vision_config=image | {"image_size": side, "patch_size": patch},
        text_config=text | marks,
    )


def siglip(
    image: dict[str, Any], text: dict[str, Any], *, side: int, patch: int, words: int
) -> PretrainedConfig:
    marks = {"bos_token_id": START, "eos_token_id": END, "pad_token_id": END}
    return transformers.SiglipConfig(
        vision_config=image | {"image_size": side, "patch_size": patch},
        text_config=text | {"vocab_size": words} | marks,
    )


B, L, H = transformer(768, 12, 12), transformer(1024, 16, 24), transformer(1280, 16, 32, "gelu")
BASE, SO = "gelu_pytorch_tanh", transformer(1152, 16, 27, "gelu_pytorch_tanh", 4304)
SIGLIP_B = transformer(768, 12, 12, BASE)
TEXT, TEXT_L = transformer(512, 8, 12), transformer(768, 12, 12)
BERT = transformer(768, 12, 12, "gelu")

TRANSFORMERS: dict[str, Callable[[], PretrainedConfig]] = {
    "CLIP ViT-B/32": lambda: clip(B, TEXT, side=224, patch=32, width=512),
    "CLIP ViT-B/16": lambda: clip(B, TEXT, side=224, patch=16, width=512),
    "CLIP ViT-L/14": lambda: clip(L, TEXT_L, side=224, patch=14, width=768),
    "CLIP ViT-L/14-336": lambda: clip(L, TEXT_L, side=336, patch=14, width=768),
    "CLIP ViT-H/14 (gelu)": lambda: clip(
        H, transformer(1024, 16, 24, "gelu"), side=224, patch=14, width=1024
    ),
    "MetaCLIP 2 ViT-B/32": lambda: transformers.MetaClip2Config(
        vision_config=B,
        text_config=TEXT | {"bos_token_id": START, "eos_token_id": END, "pad_token_id": 1},
    ),
    "SigLIP B/16-224": lambda: siglip(SIGLIP_B, SIGLIP_B, side=224, patch=16, words=32000),
    "SigLIP 2 B/16-256": lambda: siglip(SIGLIP_B, SIGLIP_B, side=256, patch=16, words=256000),
    "SigLIP so400m/14-384": lambda: siglip(SO, SO, side=384, patch=14, words=32000),
    "Chinese-CLIP ViT-B/16": lambda: transformers.ChineseCLIPConfig(
        vision_config=B | {"patch_size": 16}, text_config=BERT | {"vocab_size": 21128}
    ),
}
OPEN_CLIP = (
    "ViT-B-32-quickgelu",
    "ViT-B-16",
    "ViT-L-14",
    "TinyCLIP ViT-40M-32-Text-19M",
    "letterboxed, layer scales",
    "CLIPA ViT-S/16",
    "ViT-B-16-SigLIP",
    "ViT-B-32-SigLIP2-256",
    "RN50",
    "convnext_tiny",
    "MobileCLIP2-S0",
    "MobileCLIP-B",
    "EVA02-B-16",
    "PE-Core-T-16-384",
    "ViTamin-S",
    "swin_base_patch4_window7_224",
    "vit_relpos_medium_patch16_cls_224",
    "vit_medium_patch16_gap_256",
    "coca_ViT-B-32",
    "BiomedCLIP",
    "roberta-ViT-B-32",
    "xlm-roberta-base-ViT-B-32",
    "mt5-base-ViT-B-32",
    "nllb-clip-base",
)
"""One of each kind of tower, of the registry and of folders on the Hub; the small ones."""


def save_tokenizer(folder: Path, context: int, pad_id: int = END) -> None:
    file = str(DEMO_TOKENIZER)
    tokenizer = transformers.CLIPTokenizerFast(tokenizer_file=file, model_max_length=context)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(pad_id)
    tokenizer.save_pretrained(folder)


def save_transformers(config: PretrainedConfig, folder: Path) -> None:
    kind = {"clip": "CLIP", "metaclip_2": "MetaClip2", "siglip": "Siglip"}
    name = kind.get(config.model_type, "ChineseCLIP")
    with_random_norms(getattr(transformers, f"{name}Model")(config)).save_pretrained(folder)
    side = config.vision_config.image_size
    square = {"height": side, "width": side}
    if name == "Siglip":
        transformers.SiglipImageProcessor(size=square).save_pretrained(folder)
    else:
        transformers.CLIPImageProcessor(
            size={"shortest_edge": side}, crop_size=square
        ).save_pretrained(folder)
    if name == "ChineseCLIP":  # trained on texts of 52 tokens, and it does not see its padding
        save_tokenizer(folder, 52, pad_id=0)
    else:
        save_tokenizer(folder, 77)


def samples(folder: Path) -> SampleFiles:
    """Write a few drawings and captions: random towers tell no more of many."""
    (folder / "pictures").mkdir()
    drawings = bundled_drawings()[:SAMPLES]
    for drawing in drawings:
        (folder / "pictures" / drawing.path.name).write_bytes(drawing.path.read_bytes())
    (folder / "texts.txt").write_text("\n".join(drawing.caption for drawing in drawings))
    return SampleFiles(images=folder / "pictures", texts=folder / "texts.txt")


def row(manifest: Manifest) -> dict[str, Any]:
    return {
        precision: {
            side: {
                "worst_cosine": round(tower.agreement.worst_cosine, 7),
                "mean_cosine": round(tower.agreement.mean_cosine, 7),
                "samples": tower.agreement.samples,
                "MB": round(tower.bytes / 1e6, 1),
                "kept_in_float32": list(tower.kept),
            }
            for side, tower in towers.there().items()
        }
        for precision, towers in manifest.towers.items()
    }


def exported(folder: Path, work: Path, given: SampleFiles) -> tuple[Manifest, dict[str, str]]:
    """Export in every precision that the gate lets pass; return the messages of the others."""
    refused: dict[str, str] = {}
    while True:
        left = [precision for precision in PRECISIONS if precision not in refused]
        try:
            return export(folder, work / "bundle", precisions=left, samples=given).manifest, refused
        except AgreementError as error:
            found = [one for one in left if f" tower in {one} is not written" in str(error)]
            if not found:
                raise
            refused[found[0]] = str(error)


def measured(name: str, save: Callable[[Path], None]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "checkpoint"
        folder.mkdir()
        torch.manual_seed(zlib.crc32(name.encode()))  # else one shape is one model
        save(folder)
        gc.collect()
        manifest, refused = exported(folder, Path(work), samples(Path(work)))
        read = {"trim": manifest.text.trim, "clean": manifest.text.clean}
        return {"towers": row(manifest), "text": read, "refused": refused}


def imported_open_clip() -> ModuleType | None:
    """Return OpenCLIP's library; None, with a word on stderr, where it cannot be imported."""
    try:
        import_torchvision()
        return importlib.import_module("open_clip")
    except ImportError as error:
        sys.stderr.write(f"without OpenCLIP's: {error}\n")
        return None


def main() -> None:
    parser = argparse.ArgumentParser("python -m bench.parity", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="a family, or a part of the names of several")
    parser.add_argument("--out", type=Path, default=RESULTS / "parity.json")
    parser.add_argument(
        "--page", action="store_true", help="write docs/pages/models/parity.md, and no more"
    )
    options = parser.parse_args()
    if options.page:
        write_page(json.loads(options.out.read_text()))
        return
    accept_any_ranking()
    families = {
        name: lambda folder, make=make: save_transformers(make(), folder)
        for name, make in TRANSFORMERS.items()
    }
    libraries = versions(PACKAGES)
    if open_clip := imported_open_clip():
        libraries["open_clip"] = open_clip.__version__
        families |= {
            f"OpenCLIP {name}": lambda folder, name=name: save_open_clip(name, open_clip, folder)
            for name in OPEN_CLIP
        }
    earlier = json.loads(options.out.read_text()) if options.out.exists() else {}
    results = earlier.get("results", {})
    of_registry = earlier.get("open_clip", {})
    if open_clip:
        of_registry = {"registry": registry(open_clip), "refusals": refusals(open_clip)}
    chosen = [name for name in families if options.only in name]
    for name in [options.only] if options.only in families else chosen:
        save = families[name]
        towers, spent = spent_by(partial(measured, name, save))
        results[name] = {"commit": commit(), "s": round(spent.wall_ms / 1e3), **towers}
        document = {
            "question": "how closely each family follows its original, on drawings and captions",
            "weights": "random, in the shapes of real checkpoints",
            "tolerances": {p: t.worst_cosine for p, t in verify.TOLERANCES.items()},
            "versions": libraries,
            "open_clip": of_registry,
            "results": results,
        }
        options.out.write_text(json.dumps(document, indent=1) + "\n")
        worst = {
            precision: min(tower["worst_cosine"] for tower in towers.values())
            for precision, towers in results[name]["towers"].items()
        }
        print(f"{name}: {worst} in {spent.wall_ms / 1e3:.0f} s", flush=True)


if __name__ == "__main__":
    main()
