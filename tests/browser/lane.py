"""One lane with its booth, where every verdict can be brought about by a real crossing."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlcipher3

from failsafe.agent.demo.wire import Wire
from failsafe.drivers.specimens import td3
from tests.browser.people import SUBJECTS, Subject
from tests.story.journey import PATIENCE_S, Event, Journey

LISTED_NUMBER: Final = "ZX4410923"
LISTED: Final = {
    "kind": "listed_document",
    "number": LISTED_NUMBER,
    "issuing_country_id": "FR",
    "document_type": "P",
    "fraud_type": "stolen",
}


class Lane(Journey):
    """A booth with reader and portal; each method is one crossing and returns its final verdict."""

    wire: Wire

    def open(self) -> None:
        """Everything at work, notices fresh."""
        self.plug_in()
        self.start_core()
        self.await_ready()

    def open_line(self) -> None:
        """Headquarters' server with the command centre's page, and a link to it over a wire that can be cut."""
        self.serve_headquarters()
        self.wire = Wire(self.hq_port)
        self._stack.callback(self.wire.close)
        self.link_url = f"https://127.0.0.1:{self.wire.port}"
        self.configure(self.root_sha256)
        self.start_link()

    def fall_silent(self) -> None:
        """kill -9 of the core; what the devices then say is lost, as on a wire."""
        self.cut_down()
        for line in (self.reader.pty, self.portal_line):
            line.unplug()

    def come_back(self) -> None:
        """The core starts anew, as systemd has it, and everything works."""
        for line in (self.reader.pty, self.portal_line):
            line.plug()
        self.start_core()
        self.await_ready()

    # --- crossings -----------------------------------------------------------------------------------------------

    def meet(self, zone: tuple[str, ...], *words: str) -> Event:
        """A document is laid down; the first verdict of its crossing that is one of `words`."""
        self.settle()
        known = {verdict["crossing"] for verdict in self.listener.heard}
        self.reader.present(zone)
        return self.listener.await_verdict(
            lambda verdict: verdict["crossing"] not in known and verdict["word"] in words, " or ".join(words)
        )

    def strong(self, subject: Subject = SUBJECTS[1]) -> Event:
        """STOP: the subject of a notice, exact."""
        return self.meet(subject.zone(self.next_number()), "STOP")

    def listed(self) -> Event:
        """STOP: a stolen passport."""
        return self.meet(td3("UNLUCKY", "URSULA", LISTED_NUMBER, "FRA", "660101", "F", "310101"), "STOP")

    def possible(self) -> Event:
        """CHECK: the stolen passport's number with a digit that the reader took for a letter, and repaired."""
        born = f"88{1 + self.next_number() % 12:02}08"
        first, second = td3("MISREAD", "MAX", LISTED_NUMBER, "FRA", born, "M", "310101")
        verdict = self.meet((first, second.replace(LISTED_NUMBER, "ZX44I0923", 1)), "CHECK", "CANNOT CLEAR")
        assert verdict["word"] == "CHECK", verdict
        return verdict

    def clear(self) -> Event:
        """CLEAR: an innocent walks through a quiet portal."""
        self.settle()
        return self.clear_innocent()

    def cannot_clear(self) -> Event:
        """CANNOT CLEAR: a covered zone."""
        self.settle()
        known = {verdict["crossing"] for verdict in self.listener.heard}
        self.reader.present_unreadable()
        return self.listener.await_verdict(lambda verdict: verdict["crossing"] not in known, "of a new crossing")

    def alarm(self, subject: Subject | None = None) -> Event:
        """STOP: a patient after treatment; with a subject, person and radiation."""
        if subject is None:
            self.settle()
            first = self.meet_innocent()
        else:
            first = self.meet(subject.zone(self.next_number()), "STOP")
        self.portal.passage(seconds=2.0, gamma_alarm=True, neutron_alarm=subject is not None)
        return self.listener.await_verdict(
            lambda verdict: verdict["crossing"] == first["crossing"] and "Radiation alarm." in verdict["notes"],
            "a radiation alarm",
        )

    @contextmanager
    def ledger_held(self) -> Iterator[None]:
        """Somebody keeps the ledger's file locked: nothing can be recorded, the disk being as good as full."""
        holder = sqlcipher3.connect(str(self.folder / "state" / "ledger.db"), isolation_level=None)
        try:
            holder.execute(f"PRAGMA key = \"x'{self.key('ledger').hex()}'\"")
            holder.execute("BEGIN IMMEDIATE")
            yield
        finally:
            holder.close()

    def await_recording(self) -> None:
        self.await_status(lambda status: bool(status["ledger"]["recording"]), "a ledger that records")

    def close_crossing(self) -> None:
        """The officer's order, as the page sends it; nothing happens where no crossing is open."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            origin = f"http://127.0.0.1:{self.port}"
            headers = {"content-type": "application/json", "x-page-token": self.page.token(), "origin": origin}
            connection.request("POST", "/close", json.dumps({"lane": "1"}), headers)
            answer = connection.getresponse()
            assert answer.status < 300, answer.read()
        finally:
            connection.close()

    def settle(self) -> None:
        """No crossing is open, and the last passage is nobody's any more: a window of the lane's own real time."""
        self.close_crossing()
        time.sleep(self.windows.before_s + 0.1)


def found(folder: Path) -> None:
    """Headquarters with the subjects' notices, and a booth that has taken them and stands still."""
    house = Lane(folder)
    house.found_headquarters([*(one.notice(number) for number, one in enumerate(SUBJECTS)), LISTED])
    house.enrol()
    house.carry()
    house.hq("courier", "export", str(house.folder / "old-stick"))
    try:
        house.start_core()
        house.await_status(lambda status: status["mirror"]["state"] == "FRESH", "fresh notices")
    finally:
        house.put_down()
