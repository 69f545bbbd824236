"""twinlens embed: embeddings of images or texts in an .npz, with their names."""

import argparse
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from twinlens.commands.inputs import embed_readable_images, open_model, read_lines, refuse_unused
from twinlens.commands.misuse import MisuseError
from twinlens.commands.printing.outcome import Outcome
from twinlens.commands.writing.embeddings_file import write_embeddings
from twinlens.commands.writing.targets import STDOUT, require_file
from twinlens.durable.whole import whole_file
from twinlens.texts.tokenizer import OnCut


def run(options: argparse.Namespace) -> Outcome:
    """Embed the inputs; write `embeddings` [B, D] (unit rows) and their names [B]."""
    if options.texts:
        refuse_unused(options, ("image_column", "pixels"), "is for pictures, not for --texts")
    else:
        refuse_unused(options, ("on_cut",), "is for --texts, not for pictures")
    _check_out(options.out, force=options.force)
    model = open_model(options)
    lost: list[str] = []
    if options.texts:
        names = [text for path in options.inputs for text in read_lines(path)]
        on_cut: OnCut = options.on_cut or "warn"
        rows = model.embed_texts(names, on_cut=on_cut, progress=options.progress.bar)
    else:
        rows, names, lost = embed_readable_images(model, options)
    with _opened(options.out) as file:
        write_embeddings(file, rows, names)
    return Outcome(
        lines=[f"{len(rows)} embeddings of width {model.width} in {options.out}"],
        document={"out": str(options.out), "rows": len(rows), "width": model.width, "lost": lost},
        code=1 if lost else 0,
        to_stderr=str(options.out) == STDOUT,
    )


def _check_out(out: Path, *, force: bool) -> None:
    if str(out) != STDOUT:
        require_file(out, force=force)
    elif sys.stdout.isatty():
        raise MisuseError("--out - would fill the terminal with bytes; send them to a file or on")


def _opened(out: Path) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdout.buffer) if str(out) == STDOUT else whole_file(out)
