"""The captions: sampled phrases of a concept, with soft targets over all concepts."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twinlens_demo.concepts import Concept
from twinlens_demo.training.teacher import embed

F32 = NDArray[np.float32]

TEMPLATES = (
    "a {}",
    "a picture of a {}",
    "a picture of {}",
    "{} emoji",
    "an emoji of a {}",
    "a drawing of a {}",
    "an icon of a {}",
    "a photo of a {}",
    "the {}",
    "an image of {}",
)
TEMPLATED = 0.5
"""Share of the captions in a template."""

SORTS = (0.40, 0.12, 0.25, 0.08, 0.15)
"""Shares of the sorts of captions: a name; a name and keywords; keywords alone; a kind; a free
phrase, of no drawing, with a target by the teacher alone."""

TEACHER_TEMPERATURE = 0.05
TEACHER_SHARE = 0.35
"""Share of the teacher in the target of a caption with true concepts of its own."""


class Captions:
    """Sampler of captions with soft targets over the trained concepts."""

    def __init__(self, concepts: Sequence[Concept], modules: Path, teacher: Path) -> None:
        trained = [concept for concept in concepts if not concept.held_out]
        self._trained = trained
        self._rows_of_word = _rows_of_words(trained)
        self._rows_of_kind = _rows_of_kinds(trained)
        held = {name.lower() for c in concepts if c.held_out for name in c.names}
        self._free = sorted(free_phrases(modules) - held)
        self._vector = _teacher_vectors(self.texts(), teacher)
        self._anchors = self._concept_vectors(trained)

    def texts(self) -> list[str]:
        """Return every plain phrase of the captions, each once."""
        found: dict[str, None] = {}
        for concept in self._trained:
            found |= dict.fromkeys((*concept.names, *concept.keywords, *concept.kinds))
        return [*found, *(text for text in self._free if text not in found)]

    def draw(
        self, numbers: Sequence[int], random: np.random.Generator, *, long: bool
    ) -> tuple[list[str], F32, F32]:
        """Sample one caption a concept number; long ones have up to eight keywords, others three.

        Returns:
            The texts; their targets [B, C] over the trained concepts, rows summing to 1; and
            1 for the concepts that each is true of, else 0 [B, C].
        """
        texts, vectors = [], []
        truths = np.zeros((len(numbers), len(self._trained)), dtype=np.float32)
        for caption, number in enumerate(numbers):
            parts, rows = self._phrase(number, random, 8 if long else 3)
            truths[caption, rows] = 1
            vectors.append(sum(self._vector[part] for part in parts))
            texts.append(_in_template(" ".join(parts), random))
        meaning = np.stack(vectors)
        meaning /= np.linalg.norm(meaning, axis=1, keepdims=True)
        taught = _softmax(meaning @ self._anchors.T / TEACHER_TEMPERATURE)
        counts = truths.sum(axis=1, keepdims=True)
        share = np.where(counts > 0, TEACHER_SHARE, 1.0).astype(np.float32)
        targets = share * taught + (1 - share) * truths / np.maximum(counts, 1)
        return texts, targets, truths

    def _phrase(
        self, number: int, random: np.random.Generator, most: int
    ) -> tuple[list[str], list[int]]:
        """Sample the parts of a caption, and the numbers of the concepts it is true of."""
        concept = self._trained[number]
        sort = int(np.searchsorted(np.cumsum(SORTS), random.random()))
        if sort == 4:
            count = 1 if random.random() < 0.7 else 2
            picks = random.integers(len(self._free), size=count)
            return [self._free[pick] for pick in picks], []
        if sort == 3:
            kind = concept.kinds[random.integers(len(concept.kinds))]
            return [kind], sorted(self._rows_of_kind[kind])
        spare = random.random() < 0.6
        name = concept.names[random.integers(len(concept.names)) if spare else 0]
        if sort == 0 or not concept.keywords:
            return [name], [number]
        words = random.permutation(concept.keywords)[: random.integers(1, most + 1)]
        parts = [str(word) for word in words]
        if sort == 1:
            return [name, *parts], [number]
        return parts, sorted(set.intersection(*(self._rows_of_word[word] for word in parts)))

    def _concept_vectors(self, trained: Sequence[Concept]) -> F32:
        rows = []
        for concept in trained:
            name = np.mean([self._vector[text] for text in concept.names], axis=0)
            words = [self._vector[text] for text in (*concept.keywords, *concept.kinds)]
            rows.append(name + 0.5 * np.mean(words, axis=0))
        anchors: F32 = np.stack(rows).astype(np.float32)
        anchors /= np.linalg.norm(anchors, axis=1, keepdims=True)
        return anchors

    @property
    def anchors(self) -> F32:
        """The teacher's embeddings of the trained concepts: unit rows [C, 384]."""
        return self._anchors


def free_phrases(modules: Path) -> set[str]:
    """Read the tags of two icon sets: plain English nouns and verbs, of no drawing here."""
    lucide = json.loads((modules / "lucide-static/tags.json").read_text(encoding="utf-8"))
    tabler = json.loads((modules / "@tabler/icons/icons.json").read_text(encoding="utf-8"))
    found = [tag for tags in lucide.values() for tag in tags]
    found += [str(tag) for row in tabler.values() for tag in row["tags"]]
    found += [name.replace("-", " ") for name in (*lucide, *tabler)]
    words = (str(text).lower().replace("-", " ").strip() for text in found)
    return {w for w in words if w.isascii() and w.replace(" ", "").isalpha() and 2 < len(w) < 30}


def corpus(concepts: Sequence[Concept], modules: Path) -> Iterator[str]:
    """Yield the tokenizer's corpus: words of the trained concepts, names oftener; free phrases."""
    for concept in concepts:
        if not concept.held_out:
            yield from concept.names * 4
            yield from concept.keywords
            yield from concept.kinds
            yield from (template.format(concept.names[0]) for template in TEMPLATES[:3])
    yield from sorted(free_phrases(modules))


def _rows_of_words(trained: Sequence[Concept]) -> dict[str, set[int]]:
    rows: dict[str, set[int]] = defaultdict(set)
    for number, concept in enumerate(trained):
        for word in (*concept.keywords, *concept.names):
            rows[word].add(number)
    return rows


def _rows_of_kinds(trained: Sequence[Concept]) -> dict[str, set[int]]:
    rows: dict[str, set[int]] = defaultdict(set)
    for number, concept in enumerate(trained):
        for kind in concept.kinds:
            rows[kind].add(number)
    return rows


def _in_template(text: str, random: np.random.Generator) -> str:
    if random.random() >= TEMPLATED:
        return text
    caption = TEMPLATES[random.integers(len(TEMPLATES))].format(text)
    return caption.replace(f"a {text}", f"an {text}") if text[0].lower() in "aeiou" else caption


def _softmax(logits: F32) -> F32:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)


def _teacher_vectors(texts: Sequence[str], cache: Path) -> dict[str, F32]:
    if cache.exists():
        kept = np.load(cache)
        if list(kept["texts"]) == list(texts):
            return dict(zip(texts, kept["vectors"], strict=True))
    vectors = embed(texts)
    np.savez(cache, texts=np.array(texts), vectors=vectors)
    return dict(zip(texts, vectors, strict=True))
