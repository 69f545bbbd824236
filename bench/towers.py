"""How long does an image or a text take in each tower, against the same model in transformers?

    python bench/towers.py [--checkpoint FOLDER] [--rounds 15]

Without a checkpoint, one of ViT-B/32's shape is made with random weights: its speed is that of the
trained one. Every round times each contender once, in turn, so that a slow spell slows all of them.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

import numpy as np
import onnxruntime
import torch
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

import twinlens
from twinlens.bundle import open_bundle
from twinlens.threads import usable_threads
from twinlens_export import export, verify

Rows = np.ndarray
MEAN = np.array((0.48145466, 0.4578275, 0.40821073), dtype=np.float32)
STD = np.array((0.26862954, 0.26130258, 0.27577711), dtype=np.float32)


def random_checkpoint(folder: Path) -> Path:
    """ViT-B/32 with random weights, beside the demo model's tokenizer."""
    torch.manual_seed(0)
    marks = {"bos_token_id": 3070, "eos_token_id": 3071, "pad_token_id": 3071}
    config = CLIPConfig(projection_dim=512, text_config=marks)
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)
    demo = Path(__file__).parents[1] / "export" / "demo_checkpoint" / "tokenizer.json"
    CLIPTokenizerFast(tokenizer_file=str(demo), model_max_length=77).save_pretrained(folder)
    return folder


def contenders(
    checkpoint: Path, bundle: Path
) -> tuple[dict[str, Callable[[np.ndarray], Rows]], dict[str, Callable[[np.ndarray], Rows]]]:
    """By name, what embeds uint8 pixels [B, S, S, 3], and what embeds ids [B, T]."""
    original = CLIPModel.from_pretrained(checkpoint).eval()

    @torch.inference_mode()
    def torch_images(pixels: np.ndarray) -> Rows:
        scaled = (pixels.astype(np.float32) / 255 - MEAN) / STD
        rows = original.get_image_features(torch.from_numpy(scaled.transpose(0, 3, 1, 2)))
        return unit(rows)

    @torch.inference_mode()
    def torch_texts(ids: np.ndarray) -> Rows:
        return unit(original.get_text_features(torch.from_numpy(ids)))

    images: dict[str, Callable[[np.ndarray], Rows]] = {"transformers fp32": torch_images}
    texts: dict[str, Callable[[np.ndarray], Rows]] = {"transformers fp32": torch_texts}
    for precision in ("fp32", "int8"):
        model = twinlens.load(bundle, device="cpu", precision=precision)
        images[f"twinlens {precision}"] = model._image_tower.embed
        texts[f"twinlens {precision}"] = model._text_tower.embed
    return images, texts


def unit(rows: object) -> Rows:
    found = getattr(rows, "pooler_output", rows).float()
    return (found / found.norm(dim=-1, keepdim=True)).numpy()


def measure(
    runs: dict[str, Callable[[np.ndarray], Rows]], batch: np.ndarray, rounds: int
) -> dict[str, dict[str, float]]:
    """Median and p95 in ms an item, the ratio to the first, and the worst cosine to it."""
    truth = next(iter(runs.values()))(batch)
    cosines = {name: float((run(batch) * truth).sum(axis=1).min()) for name, run in runs.items()}
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begun = time.perf_counter()
            run(batch)
            spent[name].append(1e3 * (time.perf_counter() - begun) / len(batch))
    first = spent[next(iter(runs))]
    return {
        name: {
            "ms": round(statistics.median(times), 3),
            "p95_ms": round(float(np.percentile(times, 95)), 3),
            "times_faster": round(
                statistics.median(a / b for a, b in zip(first, times, strict=True)), 2
            ),
            "worst_cosine": round(cosines[name], 6),
        }
        for name, times in spent.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(usable_threads())
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as work:
        checkpoint = options.checkpoint or random_checkpoint(Path(work) / "checkpoint")
        bundle = Path(work) / "bundle"
        if options.checkpoint is None:
            # Random weights rank nothing: all answers nearly tie. The cosines are judged as ever.
            verify.TOLERANCES = {
                precision: replace(tolerance, top1=0.0)
                for precision, tolerance in verify.TOLERANCES.items()
            }
        export(checkpoint, bundle, precisions=("fp32", "int8"))
        spec = open_bundle(bundle).manifest
        images, texts = contenders(checkpoint, bundle)
        side, end = spec.image.side_px, spec.text.end_id
        results = {}
        for size in (1, 32):
            pixels = random.integers(0, 256, (size, side, side, 3), dtype=np.uint8)
            results[f"image, batch {size}"] = measure(images, pixels, options.rounds)
            for length in (12, spec.text.context):
                ids = random.integers(0, end - 1, (size, length))
                ids[:, -1] = end
                results[f"{length}-token text, batch {size}"] = measure(texts, ids, options.rounds)
    document = {
        "question": "ms an item in each tower, against transformers",
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "model": str(options.checkpoint or "ViT-B/32 shape, random weights"),
        "processor": processor(),
        "threads": usable_threads(),
        "versions": {
            "torch": torch.__version__,
            "onnxruntime": onnxruntime.__version__,
            "python": platform.python_version(),
        },
        "rounds": options.rounds,
        "results": results,
    }
    out = Path(__file__).parent / "results" / "towers.json"
    out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=2))


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
