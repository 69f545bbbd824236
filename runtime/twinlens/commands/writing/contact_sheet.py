"""Contact sheet: an image of queries and the drawings they found."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

PAPER: Final = (250, 249, 246)
INK: Final = (32, 33, 36)
PALE: Final = (128, 130, 136)
TRACK: Final = (228, 227, 222)
BAR: Final = (46, 125, 94)
CARD: Final = (255, 255, 255)

MARGIN_PX: Final = 36
QUERY_PX: Final = 250
CARD_PX: Final = 156
GAP_PX: Final = 14
DRAWING_PX: Final = 96
TITLE_PX: Final = 84


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One drawing found by a query."""

    path: Path
    caption: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRow:
    """A query and its hits, best first."""

    query: str
    cards: Sequence[Card]


def draw_sheet(rows: Sequence[QueryRow], *, title: str) -> Image.Image:
    """Draw one row a query: its text, then a card a drawing with the probability as a bar."""
    most = max(len(row.cards) for row in rows)
    width = 2 * MARGIN_PX + QUERY_PX + most * (CARD_PX + GAP_PX) - GAP_PX
    height = TITLE_PX + len(rows) * (CARD_PX + GAP_PX) + MARGIN_PX - GAP_PX
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN_PX, 26), "Drawings found by text", INK, ImageFont.load_default(26))
    pen.text((width - MARGIN_PX, 34), title, PALE, ImageFont.load_default(14), anchor="ra")
    for number, row in enumerate(rows):
        top = TITLE_PX + number * (CARD_PX + GAP_PX)
        middle = top + CARD_PX // 2
        pen.text((MARGIN_PX, middle), row.query, INK, ImageFont.load_default(22), anchor="lm")
        for place, card in enumerate(row.cards):
            left = MARGIN_PX + QUERY_PX + place * (CARD_PX + GAP_PX)
            _draw_card(sheet, pen, (left, top), card)
    return sheet


def _draw_card(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, corner: tuple[int, int], card: Card
) -> None:
    left, top = corner
    pen.rounded_rectangle((left, top, left + CARD_PX, top + CARD_PX), 10, CARD, TRACK)
    with Image.open(card.path) as file:
        drawing = file.convert("RGBA").resize((DRAWING_PX, DRAWING_PX), Image.Resampling.LANCZOS)
    sheet.paste(drawing, (left + (CARD_PX - DRAWING_PX) // 2, top + 10), drawing)
    font = ImageFont.load_default(12)
    caption = _shortened(card.caption, font, CARD_PX - 16)
    pen.text((left + CARD_PX // 2, top + DRAWING_PX + 22), caption, PALE, font, anchor="mm")
    start, stop, line = left + 12, left + CARD_PX - 48, top + CARD_PX - 17
    pen.line((start, line, stop, line), TRACK, 6)
    if card.probability > 0.005:
        pen.line((start, line, start + (stop - start) * card.probability, line), BAR, 6)
    pen.text((left + CARD_PX - 10, line), f"{card.probability:.0%}", INK, font, anchor="rm")


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width_px: int) -> str:
    while font.getlength(text) > width_px:
        text = f"{text[:-2].rstrip()}…"
    return text
