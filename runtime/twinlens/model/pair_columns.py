"""Columns of a table of pairs: the two sides, and the modality of each."""

from dataclasses import dataclass
from typing import Any, Final

from twinlens import dataframes
from twinlens.batch import Batch
from twinlens.bundle.calibration import PairKind
from twinlens.errors import quoted

IMAGE: Final = "image"
TEXT: Final = "text"
QUERY: Final = "query"
RESPONSE: Final = "response"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairColumns:
    """Two columns of pairs: images before texts, else in the order given."""

    left: Batch[Any]
    right: Batch[Any]
    kind: PairKind


def pair_columns(
    table: dataframes.Table,
    *,
    image: str | None = None,
    text: str | None = None,
    query: str | None = None,
    response: str | None = None,
) -> PairColumns:
    """Return the columns of pairs, by the words image and text, or query and response.

    Of a query and a response the values tell which are images. Without names the columns are
    "image" and "text", or else "query" and "response".

    Raises:
        TypeError: the input is no table.
        ValueError: a column is missing, or names of both kinds are given, or half of a kind.
    """
    by_role = query is not None or response is not None
    if by_role and (image is not None or text is not None):
        raise ValueError("columns are named by image and text, or by query and response, not both")
    if by_role and (query is None or response is None):
        given, missing = ("query", "response") if response is None else ("response", "query")
        raise ValueError(f"the column {given} is named and its {missing} is not; name both")
    names = dataframes.column_names(table)
    if not by_role and image is text is None and {QUERY, RESPONSE} <= {*names} - {IMAGE, TEXT}:
        by_role = not {IMAGE, TEXT} <= {*names}
    if not by_role:
        _require_default(names, {IMAGE: image, TEXT: text})
        left = dataframes.column(table, image or IMAGE)
        return PairColumns(
            left=left, right=dataframes.column(table, text or TEXT), kind="image-text"
        )
    left = dataframes.column(table, query or QUERY)
    right = dataframes.column(table, response or RESPONSE)
    kinds = dataframes.modality_of(left), dataframes.modality_of(right)
    if kinds == ("text", "image"):
        return PairColumns(left=right, right=left, kind="image-text")
    if kinds == ("image", "text"):
        return PairColumns(left=left, right=right, kind="image-text")
    both: PairKind = "image-image" if kinds[0] == "image" else "text-text"
    return PairColumns(left=left, right=right, kind=both)


def _require_default(names: list[Any], given: dict[str, str | None]) -> None:
    """Refuse a table without the default columns, if nobody named others.

    Raises:
        ValueError: a column is missing.
    """
    for word, name in given.items():
        if name is None and word not in names:
            known = quoted(", ".join(map(str, names)))
            raise ValueError(
                f"there is no column {word!r}; the columns are {known}; name yours by image= and "
                "text=, or by query= and response="
            )
