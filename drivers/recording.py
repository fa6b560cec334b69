"""From bytes on a line to the lines of a transcript, with nobody in it unless a specimen lay on the reader. Pure.

A document must be masked whole, since its check digits are made anew: bytes are held until the line is silent, until
the other side speaks, or until there are more than any device says at once.
"""

from __future__ import annotations

from typing import Final

from failsafe.drivers import transcript
from failsafe.drivers.driver import Driver
from failsafe.drivers.masking import masked_bytes
from failsafe.drivers.transcript import Burst

SILENCE_S: Final = 0.3
_MOST: Final = 8192

MASKED: Final = "# letters and digits of documents are masked; check digits are right or wrong as they were\n"
SPECIMEN: Final = "# recorded with --specimen: nothing is masked\n"
_NOT_KEPT: Final = "# in the next burst, what is masked answers its checks otherwise than the document did\n"


class Recorder:
    """The text of a transcript as it grows.

    Args:
        driver: whose line it is; a radiation detector's says nothing of persons and is not masked.
        baud: the line's speed.
        specimen: the documents are specimens: nothing is masked.
    """

    def __init__(self, driver: Driver, baud: int, *, specimen: bool = False) -> None:
        self._driver = driver
        self._masks = driver.role == "document" and not specimen
        self._held = bytearray()
        self._from_device = True
        self._held_at = 0.0
        self._heard_at = 0.0
        self._began_at: float | None = None
        remark = SPECIMEN if specimen else MASKED if self._masks else ""
        self.head: Final = transcript.head(driver.name, baud) + remark

    def add(self, content: bytes, from_device: bool, now: float) -> str:
        """The lines that bytes at monotonic time `now` complete."""
        told = self.rest() if from_device != self._from_device else self.idle(now)
        if self._began_at is None:
            self._began_at = now
        if not self._held:
            self._held_at = now
        self._from_device = from_device
        self._held += content
        self._heard_at = now
        return told + (self.rest() if len(self._held) > _MOST else "")

    def idle(self, now: float) -> str:
        """The lines that silence until `now` completes."""
        return self.rest() if now - self._heard_at > SILENCE_S else ""

    def rest(self) -> str:
        """The lines of what is still held."""
        if not self._held or self._began_at is None:
            return ""
        content, remark = bytes(self._held), ""
        self._held.clear()
        if self._masks and self._from_device:
            masked = masked_bytes(content, self._driver.name)
            content, remark = masked.content, "" if masked.kept else _NOT_KEPT
        return remark + transcript.line(Burst(self._held_at - self._began_at, self._from_device, content))
