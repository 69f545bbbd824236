"""OpenAI's vocabulary as transformers keeps it, from the copy inside open_clip's package."""

import gzip
import importlib.util
from pathlib import Path
from typing import Final

from transformers import CLIPTokenizerFast

FILE: Final = "bpe_simple_vocab_16e6.txt.gz"
MERGES: Final = 48_894


def write_tokenizer(folder: Path, context: int) -> CLIPTokenizerFast:
    """Write tokenizer.json and its configuration; open_clip itself is not imported."""
    lines = gzip.decompress(copy_in_open_clip().read_bytes()).decode().splitlines()
    merges = [tuple(line.split()) for line in lines[1 : 1 + MERGES]]
    letters = list(bytes_as_letters())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(m) for m in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {token: place for place, token in enumerate(tokens)}
    made = CLIPTokenizerFast(vocab=vocab, merges=merges, model_max_length=context)
    made.save_pretrained(folder)
    return made


def copy_in_open_clip() -> Path:
    """Return the compressed merges; ImportError if open_clip is not installed."""
    found = importlib.util.find_spec("open_clip")
    if found is None or not found.submodule_search_locations:
        raise ImportError(f"open_clip is not installed, and {FILE} is in it; see README.md")
    return Path(found.submodule_search_locations[0]) / FILE


def bytes_as_letters() -> list[str]:
    """Return a printable letter for each byte, in the vocabulary's order: GPT-2's way."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + n) for n in range(len(others))]
