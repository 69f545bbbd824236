"""Speed from texts to token ids with CLIP's vocabulary, and the share with the same ids."""

import csv
import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.input.torchvision_stub import import_torchvision

import_torchvision()  # before all that import it

import numpy as np
import open_clip
import torch
from transformers import CLIPImageProcessorPil, CLIPProcessor

import twinlens
from bench.harness.clip_vocabulary import write_tokenizer
from bench.harness.timing import median_ratio, rounds_in_turn
from twinlens.bundle.specs import TextSpec
from twinlens.texts.tokenizer import Tokenizer

Ids = np.ndarray | torch.Tensor
Encode = Callable[[Sequence[str]], Ids]

CONTEXT: Final = 77
END: Final = 49407
BATCH: Final = 1000
SECONDS: Final = 8.0
REFERENCE: Final = "transformers"

WHO: Final = ("a man", "a woman", "two children", "a brown dog", "several people", "a small cat")
DOES: Final = ("standing", "sitting", "walking slowly", "playing", "waiting", "looking around")
WHERE: Final = (
    "in a kitchen",
    "next to a red bicycle",
    "on the beach at sunset",
    "under a large umbrella",
    "in front of an old brick building",
    "beside a table full of vegetables",
)
WITH: Final = ("", "", "", " with a camera", " while it rains", " holding a cell phone and a bag")


def captions(count: int) -> list[str]:
    """Return the captions of the demo's drawings, then sentences as long as those of photos."""
    demo = Path(twinlens.__file__).parent / "demo" / "captions.csv"
    with demo.open(encoding="utf-8", newline="") as file:
        found = [row["caption"] for row in csv.DictReader(file)]
    random = np.random.default_rng(0)
    while len(found) < count:
        who, does, where, with_ = (str(random.choice(part)) for part in (WHO, DOES, WHERE, WITH))
        found.append(f"{who} {does} {where}{with_}")
    return [str(text) for text in random.permutation(found[:count])]


def tokenizers(folder: Path) -> dict[str, Encode]:
    processor = CLIPProcessor(CLIPImageProcessorPil(), write_tokenizer(folder, CONTEXT))
    ours = {
        trim: Tokenizer(
            folder / "tokenizer.json",
            TextSpec(context=CONTEXT, end_id=END, pad_id=END, trim=trim),
        )
        for trim in (True, False)
    }
    theirs = open_clip.get_tokenizer("ViT-B-32")

    def through_processor(texts: Sequence[str]) -> Ids:
        return processor(
            text=list(texts), padding="max_length", truncation=True, return_tensors="pt"
        )["input_ids"]

    return {
        REFERENCE: through_processor,
        "open_clip": lambda texts: theirs(list(texts)),
        "twinlens, padded to 77": ours[False].encode,
        "twinlens": ours[True].encode,
    }


def speed(work: Path, threads: int) -> Iterator[dict[str, Any]]:
    """Yield texts a second, one at a time and a thousand at once, and the share of same ids."""
    texts = captions(BATCH)
    found = tokenizers(work / "vocabulary")
    same = agreement(found, texts)
    lengths = [len(row) for row in rows(found[REFERENCE](texts))]
    for at_once in (1, BATCH):
        spent = seconds_in_turn(found, texts, at_once)
        for name, times in spent.items():
            yield {
                "at_once": at_once,
                "threads": threads,
                "contender": name,
                "rounds": len(times),
                "texts_a_second": len(texts) / statistics.median(times),
                "times_faster": median_ratio(spent[REFERENCE], times),
                "same_ids": same[name],
                "tokens": {
                    "median": float(np.median(lengths)),
                    "p95": float(np.percentile(lengths, 95)),
                    "most": max(lengths),
                },
            }


def seconds_in_turn(
    found: dict[str, Encode], texts: Sequence[str], at_once: int
) -> dict[str, list[float]]:
    """Return the seconds for all texts in each round."""

    def encode_all(encode: Encode) -> None:
        for start in range(0, len(texts), at_once):
            encode(texts[start : start + at_once])

    acts = {name: partial(encode_all, encode) for name, encode in found.items()}
    spent = rounds_in_turn(acts, rounds=6, seconds=SECONDS)
    return {name: [one.wall_ms / 1e3 for one in times] for name, times in spent.items()}


def agreement(found: dict[str, Encode], texts: Sequence[str]) -> dict[str, float]:
    """Return the share of texts with the reference's ids, by tokenizer."""
    truth = rows(found[REFERENCE](texts))
    return {
        name: statistics.mean(
            mine == right for mine, right in zip(rows(encode(texts)), truth, strict=True)
        )
        for name, encode in found.items()
    }


def rows(ids: Ids) -> list[list[int]]:
    """Return the ids of each text up to its end token, whatever it is padded with."""
    return [row[: row.index(END) + 1] for row in np.asarray(ids).tolist()]
