"""Arguments of the commands that read images or texts."""

import argparse
from typing import get_args

from twinlens.commands.parsing import values
from twinlens.commands.parsing.arguments import (
    IMAGES,
    Parser,
    add_bundle,
    add_images,
    add_out,
    add_pixels,
    printing,
    running,
)
from twinlens.datasets.formats.embedding_schema import FloatType
from twinlens.index.arrays.layout import Kept
from twinlens.model.zero_shot import TEMPLATES
from twinlens.texts.tokenizer import OnCut

Commands = argparse._SubParsersAction  # noqa: SLF001  argparse names it nowhere else

LABELS = "such as: dog cat car, or dog,cat,car, or @FILE with one a line; give pictures before it"
EMBEDDINGS = """A folder gets Parquet parts with the columns name, embedding and lost: the reason
where there is no embedding. A job that was cut goes on when it is called again; new items
are embedded. With --force, each call deletes the parts and begins anew. The name of a text is the
text: each is there once.

One .parquet has the same columns, in the order of the source. The .npz holds, for numpy.load
without pickle:
  embeddings  float32 [B, D], unit rows; without those of lost items
  name_utf8   uint8 [M], the names (paths, or the texts) in UTF-8, one behind the other
  name_ends   int64 [B], the end of each name in name_utf8
An .npy holds the rows alone: row i is item i of the source, NaN if it is lost."""


def add_demo(commands: "Commands[Parser]") -> None:
    """Add `twinlens demo`."""
    parser = commands.add_parser(
        "demo",
        parents=[running(), printing()],
        help="the whole job on the model and drawings inside the package",
        description="Search, match and classify the drawings inside the package by the model "
        "inside the package, and draw the answers as a sheet of pictures. It needs no file of "
        "yours and no network.",
    )
    add_pixels(parser)
    add_out(parser, "contact sheet (twinlens-demo.png, replaced)")
    parser.set_defaults(bundle="demo")


def add_embed(commands: "Commands[Parser]") -> None:
    """Add `twinlens embed`."""
    parser = commands.add_parser(
        "embed",
        parents=[running(), printing()],
        help="embed pictures or texts",
        description="Embed pictures or texts, and write the rows to a folder or a file.\n"
        "Example: twinlens embed clip-b32 photos --out photos-embeddings",
        epilog=EMBEDDINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_bundle(parser)
    add_images(parser, words="pictures as of twinlens index; or files of texts, with --texts")
    add_pixels(parser)
    parser.add_argument(
        "--texts", action="store_true", help='the inputs hold one text a line; "-" is stdin'
    )
    parser.add_argument(
        "--on-cut",
        choices=get_args(OnCut),
        help="a text longer than the context is cut, cut with a warning, or refused (warn)",
    )
    parser.add_argument(
        "--dtype", choices=get_args(FloatType), default="float32", help="stored numbers (float32)"
    )
    parser.add_argument(
        "--shard",
        type=values.shard,
        metavar="I/N",
        help="into a folder: embed the I-th of N shards of the names; the others may run at once",
    )
    parser.add_argument(
        "--retry-lost",
        action="store_true",
        default=None,
        help="into a folder: try again what could not be embedded before",
    )
    add_out(
        parser,
        'a folder; or a file .npz, .npy or .parquet; "-" is an .npz to stdout',
        required=True,
    )


def add_index(commands: "Commands[Parser]") -> None:
    """Add `twinlens index`."""
    parser = commands.add_parser(
        "index",
        parents=[running(), printing()],
        help="make pictures searchable",
        description="Embed pictures into an index, which twinlens search reads. Called again, it "
        "adds the pictures that are new. Example: twinlens index clip-b32 photos --out "
        "photos.index",
    )
    add_bundle(parser)
    add_images(parser, words=f"{IMAGES}; or folders that twinlens embed wrote")
    add_pixels(parser)
    add_out(
        parser,
        "the folder of the index; one that is there gets the pictures that it lacks",
        required=True,
    )
    parser.add_argument(
        "--keep",
        choices=get_args(Kept),
        help="rows (exact, 5 bytes a number; the default), or codes alone, whose cosines "
        "have bounds: codes16 (2 bytes, 3e-5) or codes8 (1 byte, 0.01)",
    )


def add_search(commands: "Commands[Parser]") -> None:
    """Add `twinlens search`."""
    parser = commands.add_parser(
        "search",
        parents=[running(), printing()],
        help="search an index",
        description="Print the nearest pictures of an index, with their cosines, for each text or "
        "picture. The search is exact. Example: twinlens search clip-b32 photos.index 'a red car'",
    )
    add_bundle(parser)
    parser.add_argument("index", type=values.folder, help="the folder of the index")
    parser.add_argument("queries", nargs="+", help="texts, or pictures with --image")
    parser.add_argument("--image", action="store_true", help="the queries are pictures")
    add_pixels(parser)
    parser.add_argument("-k", type=values.hits, default=10, help="hits of each query (10)")


def add_classify(commands: "Commands[Parser]") -> None:
    """Add `twinlens classify`."""
    parser = commands.add_parser(
        "classify",
        parents=[running(), printing()],
        help="zero-shot labels",
        description="Print the best of your labels for each picture, and the probability of each "
        "label; those of a picture sum to 1. Example: twinlens classify clip-b32 photos --labels "
        "dog cat",
    )
    add_bundle(parser)
    add_images(parser)
    add_pixels(parser)
    parser.add_argument("--labels", nargs="+", required=True, help=LABELS)
    add_templates(parser)
    parser.swallows = True


def add_templates(parser: argparse.ArgumentParser) -> None:
    """Add the templates of zero-shot classes."""
    parser.add_argument(
        "--template",
        nargs="+",
        help=f"texts with one {{}} for the class, or @FILE with one a line ({TEMPLATES[0]})",
    )
