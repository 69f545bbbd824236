"""Compare every family with its original, in every precision.

    python -m bench.parity [--only SUBSTRING] [--out bench/results/parity.json]
    python -m bench.parity --page          # docs/pages/models/parity.md, from the results

The shapes are those of real checkpoints; the weights are random, with biases and norms that are not
zeros and ones. Each is saved as its own library saves it, exported, and compared with the original
by the exporter itself, on drawings and captions: ids and pixels, then rows. OpenCLIP's need
open_clip_torch; its whole registry is read by configuration, and one model of each kind exported.
"""

import json
from functools import partial
from pathlib import Path

from bench.harness.arguments import parser_of
from bench.harness.machine import commit, versions
from bench.harness.paths import RESULTS
from bench.harness.random_weights import accept_any_ranking
from bench.harness.timing import spent_by
from bench.parity.checkpoints.clips import TRANSFORMERS, save_transformers
from bench.parity.checkpoints.open_clip_folders import imported_open_clip, save_open_clip
from bench.parity.measure import PACKAGES, measured, row
from bench.parity.page import write_page
from bench.parity.registry import refusals, registry
from twinlens_export.presence import there
from twinlens_export.verification import verify

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


def main() -> None:
    parser = parser_of("bench.parity", __doc__)
    parser.add_argument(
        "--only", default="", help="the family of this name, or those whose names hold it"
    )
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
        found, spent = spent_by(partial(measured, name, families[name]))
        text = there(found.manifest.text)
        results[name] = {
            "commit": commit(),
            "s": round(spent.wall_ms / 1e3),
            "towers": row(found),
            "least_alike": found.least_alike,
            "text": {"trim": text.trim, "clean": text.clean},
            "refused": found.refused,
        }
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
