"""Embed one item some times, and nothing else: the work that `instructions` counts.

python -m bench.processors.repeated BUNDLE image|text N
"""

import sys

import numpy as np

import twinlens

TEXT = "a photo of a small brown dog"


def main(bundle: str, item: str, count: int) -> None:
    """Embed on this thread alone."""
    with twinlens.load(bundle, precision="int8", device="cpu", threads=1) as model:
        random = np.random.default_rng(1)
        side = model.preprocess(np.zeros((8, 8, 3), dtype=np.uint8)).shape[0]
        pixels = random.integers(0, 256, (1, side, side, 3), dtype=np.uint8)
        tokens = model.tokenize([TEXT])
        for _ in range(count):
            if item == "image":
                model.embed_pixels(pixels)
            else:
                model.embed_tokens(tokens)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
