"""Who goes first where a verdict and the intake both want the interpreter: the verdict."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

LONGEST_S: Final = 0.05  # the intake comes to an end even where one traveller follows the other

_Each = TypeVar("_Each")


class Precedence:
    """One thread takes it while it matches a traveller; others give way between two small pieces of their work."""

    def __init__(self) -> None:
        self._free = threading.Event()
        self._free.set()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Others wait meanwhile; for one thread alone."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()

    def give(self) -> None:
        """Return at once where nobody has it, and otherwise when it is let go, or soon."""
        if not self._free.is_set():
            self._free.wait(LONGEST_S)

    def giving(self, pieces: Iterable[_Each]) -> Iterator[_Each]:
        """The pieces, with way given before each."""
        for piece in pieces:
            self.give()
            yield piece
