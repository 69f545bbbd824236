"""Contents of a folder of embeddings, every page of which is read and checked."""

from pathlib import Path

from twinlens.bulk.embedding_source import lost_names, stored_at
from twinlens.commands.printing.outcome import Outcome
from twinlens.errors import amount


def info_of_embeddings(folder: Path) -> Outcome | None:
    """Read a folder of embeddings whole; None if it is something else.

    Raises:
        DatasetError: a file of it is damaged, or its files do not belong together.
        EmbeddingsError: its rows have no names.
        ImportError: pyarrow is not installed.
    """
    stored = stored_at(folder)
    if stored is None:
        return None
    blocks = (block for block in stored.blocks() if isinstance(block, tuple))
    rows = sum(len(embeddings) for _, embeddings in blocks)
    lost = sum(1 for _ in lost_names(stored)) if stored.has_lost else 0
    finished = any(folder.glob("_finished*.json"))
    files = amount(len(stored.paths), "file")
    return Outcome(
        lines=[
            f"{amount(rows, 'embedding')} of width {stored.width} in {files}, {lost} lost",
            "the whole source was met" if finished else "the source was not met to its end yet",
            *(f"{name} {value}" for name, value in stored.about.items()),
            "every page matches its checksum",
        ],
        document={
            "rows": rows,
            "lost": lost,
            "width": stored.width,
            "files": len(stored.paths),
            "finished": finished,
            "about": dict(stored.about),
        },
    )
