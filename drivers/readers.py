"""Document readers that are not there, one a family, with their habits and faults: see `simulator` for the wire.

For the demonstration, for technicians without hardware and for tests. `Reader` is a reader of any driver, with invented
documents to lay on it, as `scripts` does.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from failsafe.drivers import elyctis, lines, specimens
from failsafe.drivers.simulator import Pty, Unplugged, barcode_frame, zone_frame

_LISTEN_EVERY_S: Final = 0.02


def zone_answer(zone: Sequence[str]) -> bytes:
    """The frame in which an Elyctis reader sends a zone; without lines, that it read none."""
    body = "".join(f"{line}\r" for line in zone) + "\r" if zone else ""
    return elyctis.frame(b"I", body.encode("latin-1", "replace"))


def zone_lines(zone: Sequence[str], ends: bytes = b"\r\n", *, together: bool = False, aim: str = "") -> bytes:
    """What an imager sends for a zone: lines with `ends`, or all of them `together`; `aim` is its symbology mark."""
    text = "".join(zone) if together else ends.decode().join(zone)
    return f"{aim}{text}".encode("latin-1", "replace") + ends


def card_text(
    surname: str = "SAMPLESON",
    given: str = "INVENTED",
    birth: str = "02131970",
    number: str = "T64235789",
    country: str = "USA",
    sex: str = "1",
    expiry: str = "06302031",
) -> str:
    """The text of a driving licence's barcode, with a table of subfiles that is right."""
    fields = {"DAQ": number, "DCS": surname, "DAC": given, "DAD": "NONE", "DBB": birth, "DBA": expiry, "DBC": sex}
    holder = "DL" + "\n".join(f"{name}{value}" for name, value in {**fields, "DCG": country}.items()) + "\r"
    own = "ZVZVA01\r"
    first = 21 + 2 * 10
    issuer = "636012" if country == "CAN" else "636000"
    table = f"DL{first:04d}{len(holder):04d}ZV{first + len(holder):04d}{len(own):04d}"
    return f"@\n\x1e\rANSI {issuer}080102{table}{holder}{own}"


def pass_text(surname: str = "SAMPLESON", given: str = "INVENTEDMR") -> str:
    """The text of a boarding pass."""
    return f"M1{f'{surname}/{given}':20.20}EABC123 YULFRAAC 0834 326J001A0025 100"


class _Answering:
    """A device that answers: a thread reads what it is told until `stop`."""

    def __init__(self, pty: Pty) -> None:
        self.pty = pty
        self.hangs = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="simulated reader", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Fall silent; may be called twice."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _listen(self) -> None:
        while not self._stopping.wait(_LISTEN_EVERY_S):
            with suppress(Unplugged, OSError):
                said = self.pty.read()
                if said and not self.hangs:
                    self._hear(said)

    def _hear(self, said: bytes) -> None:
        raise NotImplementedError

    def _say(self, message: bytes) -> None:
        with suppress(Unplugged):
            self.pty.write(message)


class ElyctisReader(_Answering):
    """An ID BOX One: continuous reading is one-shot, and a reader that hangs answers nothing.

    Args:
        pty: where it is plugged in.
        version, serial: what it tells of itself.
    """

    def __init__(self, pty: Pty, version: str = "1.07", serial: str = "SIM00001") -> None:
        super().__init__(pty)
        self._answers = {b"V": version.encode(), b"R": serial.encode()}
        self._heard = bytearray()
        self.armed = threading.Event()

    def present(self, zone: Sequence[str]) -> bool:
        """A document is laid on; false where the reader was not armed and so read nothing."""
        if self.hangs or not self.armed.is_set():
            return False
        if zone:  # only a good read ends continuous reading
            self.armed.clear()
        self._say(zone_answer(zone))
        return True

    def garbage(self, length: int = 64, seed: int = 0) -> None:
        """Noise on the line that holds no frame."""
        self._say(random.Random(seed).randbytes(length).translate(None, b"ICVWRTS"))

    def forget(self) -> None:
        """It lost its power for a moment: no longer armed."""
        self.armed.clear()

    def _hear(self, said: bytes) -> None:
        self._heard += said
        while len(self._heard) >= 3:
            letter, length = bytes(self._heard[:1]), int.from_bytes(self._heard[1:3], "big")
            if len(self._heard) < 3 + length:
                return
            body = bytes(self._heard[3 : 3 + length])
            del self._heard[: 3 + length]
            if letter == b"C":
                (self.armed.set if body == b"\x01" else self.armed.clear)()
            elif letter in self._answers:
                self._say(elyctis.frame(letter, self._answers[letter]))


class Imager(_Answering):
    """A Honeywell or Newland imager: reads only while triggered, and answers commands.

    Args:
        pty: where it is plugged in.
        ends: what it sends behind each line.
        together: it sends a zone's lines as one.
    """

    def __init__(self, pty: Pty, ends: bytes = b"\r\n", *, together: bool = False) -> None:
        super().__init__(pty)
        self.ends = ends
        self.together = together
        self.triggered = threading.Event()
        self.ocr = False

    def present(self, zone: Sequence[str]) -> bool:
        """A document is held before it; false where it was not triggered."""
        return self._read(zone_lines(zone, self.ends, together=self.together))

    def present_barcode(self, text: str, aim: str = "]L0") -> bool:
        """A barcode is; see `present`."""
        return self._read(f"{aim}{text}".encode("latin-1", "replace") + self.ends)

    def half(self, zone: Sequence[str]) -> bool:
        """Of a zone only the first line was seen."""
        return self._read(zone[0].encode() + self.ends)

    def _read(self, message: bytes) -> bool:
        if self.hangs or not self.triggered.is_set():
            return False
        self.triggered.clear()
        self._say(message)
        return True

    def _hear(self, said: bytes) -> None:
        if lines.HONEYWELL_OCR in said:
            self.ocr = True
            self._say(b"OCRENA1\x06!")
        if lines.NEWLAND_ON in said:
            self._say(b"\x02\x010000@SCNTRG1\x06;\x03")
        if lines.HONEYWELL_ON in said or lines.NEWLAND_ON in said:
            self.triggered.set()


# --- any of them -------------------------------------------------------------------------------------------------

DOCUMENTS: Final = (
    specimens.td3("SAMPLESON", "INVENTED", "L898902C3", "UTO", "740812", "F", "320415"),
    specimens.td1("NOBODY", "IMAGINED PERSON", "D23145890", "UTO", "660101", "M", "310228"),
    specimens.td2("PLACEHOLDER", "ALSO INVENTED", "K4815162", "UTO", "851130", "X", "330909"),
)


READERS: Final = ("cute", "elyctis", "lines", "honeywell", "newland")


class Reader:
    """A reader at the end of a `Pty` that speaks as its driver's devices do.

    Args:
        pty: where it is plugged in.
        driver: one of `READERS`.
        pace: seconds of ours for one of a script's.

    Attributes:
        noisy: noise comes in place of every document.
    """

    def __init__(self, pty: Pty, driver: str, pace: float = 1.0) -> None:
        self.pty = pty
        self.driver = driver
        self.pace = pace
        self.noisy = False
        self._laid = 0
        self._silent = False
        self._asked: ElyctisReader | Imager | None = None
        if driver == "elyctis":
            self._asked = ElyctisReader(pty)
        elif driver in ("honeywell", "newland"):
            self._asked = Imager(pty, b"\r")

    @property
    def silent(self) -> bool:
        """It hangs: it neither reads nor answers."""
        return self._silent

    @silent.setter
    def silent(self, silent: bool) -> None:
        self._silent = silent
        if self._asked is not None:
            self._asked.hangs = silent

    def start(self) -> None:
        """Begin to answer what it is asked."""
        if self._asked is not None:
            self._asked.start()

    def stop(self) -> None:
        """Fall silent; may be called twice."""
        if self._asked is not None:
            self._asked.stop()

    def document(self) -> None:
        """The next invented document is laid on; a reader that is not triggered or asked reads nothing."""
        zone = DOCUMENTS[self._laid % len(DOCUMENTS)]
        self._laid += 1
        if self.noisy:
            self.garbage(seed=self._laid)
        elif isinstance(self._asked, ElyctisReader | Imager):
            self._asked.present(zone)
        else:
            self._say(zone_frame(zone) if self.driver == "cute" else zone_lines(zone))

    def unreadable(self) -> None:
        """A document whose zone is covered, as far as the reader tells of such."""
        if isinstance(self._asked, ElyctisReader):
            self._asked.present(())
        elif self.driver == "cute":
            self._say(zone_frame(["*" * 44] * 2))
        else:
            self.half()

    def half(self) -> None:
        """The first half of a document, and nothing after it."""
        zone = DOCUMENTS[0]
        if isinstance(self._asked, Imager):
            self._asked.half(zone)
        elif self.driver == "lines":
            self._say(zone_lines(zone[:1]))
        else:
            frame = zone_frame(zone) if self.driver == "cute" else zone_answer(zone)
            self._say(frame[: len(frame) // 2])

    def barcode(self) -> None:
        """A driving licence; Elyctis readers read none."""
        if isinstance(self._asked, Imager):
            self._asked.present_barcode(card_text())
        elif self.driver == "cute":
            self._say(barcode_frame(card_text()))
        elif self.driver == "lines":
            self._say(f"]L0{card_text()}\r\n".encode("latin-1"))

    def garbage(self, length: int = 64, seed: int = 0) -> None:
        """Noise on the line that holds no frame."""
        noise = random.Random(seed).randbytes(length)
        self._say(noise.translate(bytes.maketrans(b"\x02\r\n", b"..."), b"ICVWRTS"))

    def _say(self, message: bytes) -> None:
        if not self._silent:
            with suppress(Unplugged):
                self.pty.write(message)
