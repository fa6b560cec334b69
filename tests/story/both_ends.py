"""A booth with its line: link, wire, headquarters' server, and the CBRNE programme's web and mail servers.

Every part is the real one in a process of its own (wire and programme: real sockets in this one). What was raised is
counted at the booth, in its own ledger; what arrived at headquarters, in its own database.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from sqlalchemy import Engine, func, select

from failsafe.agent.demo.house import BOOTH, Windows, kill, program
from failsafe.agent.demo.wire import Wire
from failsafe.drivers.specimens import td3
from failsafe.hq.cbrne.outbox import concerns_cbrne
from failsafe.hq.ccc.view import ListView
from failsafe.hq.desk.desk import Desk
from failsafe.hq.desk.listing import MOST_LINES
from failsafe.hq.desk.tables import DESK_FILE, ENTRIES, FORKS, open_file, open_register
from failsafe.hq.keyring.keys import KeyStore
from failsafe.sync.outbox import waiting
from failsafe.sync.records import WELCOME_FILE
from failsafe.sync.reports import ALERTS_FOLDER, LINK_FILE, RECEIPTS_FOLDER, Alert
from tests.programme_side import Authority, Call, MailServer, WebServer
from tests.story.journey import WINDOWS, Event, Journey, Kept, await_true, free_port, wanted

REGISTER_FILE = "register.sqlite"
DRAIN_S = 90.0  # the longest back-off of an urgent alert is 15 s, of a routine one 60 s


def patient(number: int) -> tuple[str, str]:
    """The zone of somebody without any notice, who is told from others by the document."""
    return td3("PATIENTSON", "PAULINETTE", f"IT{number:07}", "ITA", "551231", "F", "310101")


def thief(number: int) -> tuple[str, str]:
    """The listed passport, each time with another date of birth, so that each is a crossing of its own."""
    born = f"{50 + number % 40:02}{1 + number % 12:02}{1 + number % 28:02}"
    return td3("UNLUCKYSON", "URSULINA", "ZX4410923", "FRA", born, "F", "310101")


@dataclass(frozen=True, slots=True)
class Arrived:
    """What headquarters holds: its list, the numbers of all entries, and of those it keeps as forks."""

    view: ListView
    entries: int
    forks: int

    @property
    def alerts(self) -> Mapping[str, Alert]:
        """By id."""
        assert len({line.alert.id for line in self.view.alerts}) == len(self.view.alerts) == self.view.total
        return {line.alert.id: line.alert for line in self.view.alerts}


class BothEnds(Journey):
    """A journey whose link and headquarters run."""

    def __init__(self, folder: Path, windows: Windows = WINDOWS) -> None:
        super().__init__(folder, windows)
        self._calls: list[Call] = []
        self._mails: list[EmailMessage] = []

    # --- the line ------------------------------------------------------------------------------------------------

    def open_line(self) -> None:
        """Start the programme's servers and headquarters, and lay the wire; the link is started by whoever wants it."""
        authority = Authority(self.folder / "programme")
        self.web, self.mail = WebServer(), MailServer(authority)
        for one in (self.web, self.mail):
            self._stack.callback(one.close)
        shutil.copy(authority.file, self.folder / "hq" / "ca.pem")
        (self.folder / "hq" / "hq.toml").write_text(_told_by(self.web.port, self.mail.port), encoding="utf-8")
        self.hq("notify", "key")
        self.hq_port, self.ccc_port = free_port(), free_port()  # nobody takes them while headquarters lies dead
        self.serve_headquarters()
        self.wire = Wire(self.hq_port)
        self._stack.callback(self.wire.close)
        self.link_url = f"https://127.0.0.1:{self.wire.port}"
        self.configure(json.loads(self.welcome.read_bytes())["root_sha256"])

    @property
    def welcome(self) -> Path:
        """The file with which headquarters answered the enrolment."""
        return self.folder / f"{BOOTH}.welcome.json"

    def begin_all(self) -> None:
        """Devices, core, line and link; ready when the booth is and the link has been heard."""
        self.open_line()
        self.plug_in()
        self.start_core()
        self.start_link()
        self.await_ready()
        self.await_link("up")

    def await_link(self, word: str) -> None:
        """Return once the link says of itself that it stands so."""
        await_true(lambda: self.link_word() == word, f"a link that is {word}")

    def link_word(self) -> str:
        return str(self.link_says().get("state", ""))

    def link_says(self) -> Event:
        """What the link says of itself; nothing while its file is not there."""
        try:
            told: Event = json.loads((self.folder / "spool" / "in" / LINK_FILE).read_bytes())
        except FileNotFoundError:
            return {}
        return told

    def start_core(self) -> None:
        """Start it with its devices plugged in anew: a pseudo-terminal takes a line's parity only once."""
        self.plug_anew()
        super().start_core()

    def plug_anew(self) -> None:
        """Both devices' plugs are pulled and put in again."""
        for line in (self.reader.pty, self.portal_line):
            line.unplug()
            line.plug()

    def launch_headquarters(self, *command: str) -> None:
        """Start the server on the ports it had, perhaps by another program, and do not wait."""
        words = ["--home", str(self.folder / "hq"), "serve", "--port", str(self.hq_port)]
        with (self.folder / "hq.log").open("ab") as log:
            self.server = subprocess.Popen(
                [*(command or (program("failsafe-hq"),)), *words, "--ccc-port", str(self.ccc_port)],
                env=self._hq_environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
                text=True,
            )

    def headquarters_listens(self) -> bool:
        """Whether the server, which must be alive, takes connections."""
        assert self.server is not None and self.server.poll() is None, "headquarters' server ended by itself"
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", self.hq_port)) == 0

    def launch_link(self, *command: str) -> None:
        """Start the link by another program that is given the same words."""
        with (self.folder / "link.log").open("ab") as log:
            self.link = subprocess.Popen(
                [*command, "link", "--config", str(self.configuration)], stdout=log, stderr=log
            )

    def stop_core(self) -> None:
        """End the core alone, as systemd would."""
        if self.core is not None and self.core.poll() is None:
            self.core.terminate()
            self.core.wait(timeout=20)
        self._forget_listener()

    def stop_link(self) -> None:
        """End the link, as systemd would."""
        assert self.link is not None
        self.link.terminate()
        self.link.wait(timeout=20)

    def mend_all(self) -> None:
        """Whatever a test has cut or killed goes on, and everything that waits has arrived."""
        self.wire.mend()
        if self.server is None or self.server.poll() is not None:
            self.launch_headquarters()
            await_true(self.headquarters_listens, "headquarters' server")
        if not self.is_alive():
            self._forget_listener()
            self.start_core()
            self.await_ready()
        if self.link is None or self.link.poll() is not None:
            self.start_link()
        self.await_empty()

    def await_empty(self) -> None:
        """Return once the booth has a receipt for everything, and the tray shows it."""
        self.await_status(lambda status: status["ledger"]["undelivered"] == 0, "an empty queue", DRAIN_S)
        await_true(lambda: not self.laid_out(), "an empty tray")

    # --- the spool's two folders ---------------------------------------------------------------------------------

    @property
    def out(self) -> Path:
        return self.folder / "spool" / "out" / ALERTS_FOLDER

    @property
    def receipts(self) -> Path:
        return self.folder / "spool" / "in" / RECEIPTS_FOLDER

    def laid_out(self) -> list[str]:
        """Names of the envelopes in `spool/out`, in their order."""
        found = self.out.glob("*.json")  # of a folder that is not there: none
        return sorted(file.name for file in found if file.is_file() and not file.is_symlink())

    def ids_laid_out(self) -> set[str]:
        found = (waiting(f"{ALERTS_FOLDER}/{name}") for name in self.laid_out())
        return {one.id for one in found if one is not None}

    def await_laid_out(self, ids: set[str]) -> None:
        await_true(lambda: ids <= self.ids_laid_out(), "every envelope in the tray")

    def await_receipts(self, ids: set[str]) -> dict[str, bytes]:
        """The receipts of these, once the link has written them all."""
        await_true(lambda: all((self.receipts / f"{one}.json").exists() for one in ids), "every receipt")
        return {one: (self.receipts / f"{one}.json").read_bytes() for one in ids}

    def wipe(self, side: str) -> int:
        """Somebody empties `spool/in` or `spool/out`; how many files that cost."""
        files = [file for file in (self.folder / "spool" / side).rglob("*") if file.is_file()]
        for file in files:
            file.unlink(missing_ok=True)  # its owner may have taken it away in the same moment
        return len(files)

    def welcome_again(self) -> None:
        """The welcome file is brought once more, by the command that brought it first."""
        self.booth("courier", "import", str(self.welcome))
        assert (self.folder / "spool" / "in" / WELCOME_FILE).is_file()

    # --- who comes -----------------------------------------------------------------------------------------------

    def raise_alerts(self, number: int) -> set[str]:
        """Subjects of notices come one after another; the ids of their alerts, and of none before them."""
        self.listener.catch_up()
        return {alert["id"] for _ in range(number) for alert in self.meet_wanted()["alerts"]}

    def meet_thief(self) -> Event:
        self.reader.present(thief(self.next_number()))
        return self.listener.await_verdict(lambda verdict: bool(verdict["alerts"]), "a listed document")

    def meet_patient(self) -> Event:
        """Somebody harmless who radiates."""
        self.reader.present(patient(self.next_number()))
        self.portal.passage(gamma_alarm=True, seconds=1.0)
        return self.listener.await_verdict(lambda verdict: bool(verdict["alerts"]), "a radiation alarm")

    def meet_carrier(self) -> Event:
        """The subject of a notice, who radiates."""
        self.reader.present(wanted(self.next_number()))
        self.portal.passage(gamma_alarm=True, seconds=1.0)
        return self.listener.await_verdict(
            lambda verdict: any(alert["kind"] == "person_and_radiation" for alert in verdict["alerts"]),
            "person and radiation",
        )

    # --- what came of it -----------------------------------------------------------------------------------------

    def arrived(self) -> Arrived:
        """What headquarters has stored, read from its database beside the server."""
        with self.desk() as (desk, engine), engine.connect() as connection:
            entries = connection.execute(select(func.count()).select_from(ENTRIES)).scalar_one()
            forks = connection.execute(select(func.count()).select_from(FORKS)).scalar_one()
            return Arrived(desk.list(MOST_LINES, ""), entries, forks)

    def await_told(self) -> Arrived:
        """The same, once the programme was told of all of it that concerns it."""
        with self.desk() as (desk, _):

            def told() -> bool:
                lines = desk.list(MOST_LINES, "").alerts
                each = (of for line in lines for of in (line, *line.measurements))
                tellings = [telling for of in each for telling in of.tellings]
                return not [telling for telling in tellings if telling.state in ("waiting", "failing")]

            await_true(told, "a programme that was told of everything", DRAIN_S)
        return self.arrived()

    @contextmanager
    def desk(self) -> Iterator[tuple[Desk, Engine]]:
        """Headquarters' desk and its database, opened beside the server."""
        home = self.folder / "hq"
        engine, register = open_file(home / DESK_FILE), open_register(home / REGISTER_FILE)
        desk = Desk(engine, KeyStore.open(home), register)
        try:
            yield desk, engine
        finally:
            desk.close()
            engine.dispose()
            register.dispose()

    def check_all_arrived(self, said: Set[str] = frozenset()) -> Kept:
        """Stop the core: what its ledger holds is at headquarters once, unbroken, and the programme knows its part.

        Args:
            said: ids of alerts that must be among them.
        """
        at_hq, kept = self._at_rest()
        for _ in range(3):
            if at_hq.entries == len(kept.alerts) + len(kept.health) + len(kept.measurements):
                break
            # A change of health came between the look at headquarters and the end of the core: it must go there too.
            self.start_core()
            self.await_empty()
            at_hq, kept = self._at_rest()
        check_same(kept, at_hq, said)
        self.check_programme(kept)
        for name in ("core.log", "link.log", "hq.log"):
            assert "Traceback" not in (self.folder / name).read_text(encoding="utf-8"), f"{name} has a traceback"
        return kept

    def _at_rest(self) -> tuple[Arrived, Kept]:
        at_hq = self.await_told()
        self.stop_core()
        return at_hq, self.kept()

    def calls(self) -> Counter[str]:
        """Webhook calls by idempotency key; each one's body names the same alert, in the same bytes every time."""
        self._calls += self.web.all()
        bodies: dict[str, set[bytes]] = {}
        for call in self._calls:
            bodies.setdefault(call.headers["Idempotency-Key"], set()).add(call.body)
        for key, forms in bodies.items():
            assert len(forms) == 1, "one key for two texts"
            assert json.loads(next(iter(forms)))["id"] == key
        return Counter(call.headers["Idempotency-Key"] for call in self._calls)

    def mails(self) -> Counter[str]:
        """Messages by alert or measurement; each has its id in `Message-ID`, and no other."""
        self._mails += [delivery.message for delivery in self.mail.all()]
        for message in self._mails:
            assert message["Message-ID"] == f"<{_about(message)}@ccc.example>"
        return Counter(map(_about, self._mails))

    def check_programme(self, kept: Kept) -> None:
        """Each alert for CBRNE, and each measurement, was told by both channels under its own id; nothing else was."""
        concerned = {alert.id for alert in kept.alerts if concerns_cbrne(alert)}
        assert concerned, "nothing happened that concerns CBRNE"
        concerned |= {measurement.id for measurement in kept.measurements}
        assert set(self.calls()) == concerned
        assert set(self.mails()) == concerned


def _about(message: EmailMessage) -> str:
    return str(message["X-Failsafe-Alert"] or message["X-Failsafe-Measurement"])


def check_same(kept: Kept, at_hq: Arrived, said: Set[str]) -> None:
    """The booth's ledger (`kept` has examined its chain) and headquarters hold the same, each once."""
    raised = {alert.id: alert for alert in kept.alerts}
    assert said <= raised.keys(), f"{len(said - raised.keys())} alerts were acknowledged and lost at the booth"
    assert len(raised) == len(kept.alerts)
    held = at_hq.alerts
    assert not raised.keys() - held.keys(), "lost on the way"
    assert not held.keys() - raised.keys(), "headquarters holds what the booth never raised"
    assert held == raised
    assert at_hq.entries == len(kept.alerts) + len(kept.health) + len(kept.measurements)
    assert {line.chain for line in at_hq.view.alerts} == {"whole"}
    booth = next(line for line in at_hq.view.booths if line.booth == BOOTH)
    assert (booth.gaps, booth.forks, at_hq.forks) == (0, 0, 0)
    assert not [fault for fault in booth.faults if "ledger" in fault], booth.faults


@contextmanager
def both_ends(founded: Journey, folder: Path) -> Iterator[BothEnds]:
    """A booth at work whose alerts arrive, ended with the block whatever happens in it."""
    house = BothEnds.begin(founded, folder)
    try:
        house.begin_all()
        yield house
    finally:
        house.end()


def doomed(folder: Path, name: str, dies: str, main: str) -> tuple[str, str]:
    """The command of a program that kills itself where `dies` (Python; it may call `die()`) says so.

    Args:
        folder: where the script is put.
        name: of the script.
        dies: what watches for the moment.
        main: module of the command line that the program otherwise is.
    """
    script = folder / f"{name}.py"
    script.write_text(
        "import os, signal, sys\n"
        "def die(): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{dies}\n"
        f"from {main} import main\n"
        "main()\n",
        encoding="utf-8",
    )
    return sys.executable, str(script)


def killed_by_itself(process: subprocess.Popen[bytes] | subprocess.Popen[str] | None) -> bool:
    """Whether a doomed program met its moment; it is dead afterwards in any case."""
    assert process is not None
    try:
        return process.wait(timeout=DRAIN_S) == -9
    finally:
        kill(process)


def _told_by(web: int, mail: int) -> str:
    return f"""\
[notify.webhook]
url = "http://127.0.0.1:{web}/cbrne"

[notify.mail]
host = "localhost"
port = {mail}
security = "starttls"
sender = "desk@ccc.example"
recipients = ["duty@cbrne.example"]
ca_file = "ca.pem"
"""
