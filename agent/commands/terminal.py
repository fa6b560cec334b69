"""What all that draws on a terminal shares: the marks of the verdicts' words, and texts that cannot steer it. Pure."""

from __future__ import annotations

import unicodedata
from typing import Final

# The word of a verdict whose mark stands beside a fact, as on the page: sign, its ASCII stand-in, colour.
MARKS: Final = {
    "STOP": ("■", "#", "bold red"),
    "CHECK": ("▲", "!", "bold yellow"),
    "CLEAR": ("●", "*", "bold blue"),
    "CANNOT CLEAR": ("□", "o", "bold"),
    "NONE": (" ", " ", ""),
}


def plain(text: str) -> str:
    """A text without what could steer a terminal: some of these come from the link, for which nobody has signed."""
    return "".join(" " if _steers(one) else one for one in text)


def fitting(text: str, encoding: str) -> str:
    """A text in a terminal's characters: a name in another script is better told in part than not at all."""
    return text.encode(encoding, "replace").decode(encoding)


def _steers(character: str) -> bool:
    turns = unicodedata.bidirectional(character) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    return turns or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
