"""A link process in an attacker's hands: whatever it puts into `spool/in`, or makes unreadable there.

It can keep publications and receipts from the core, which shows as age and as alerts that wait. It can silence nothing:
every alert is still laid out for the stick, verdicts go on from what is held, and nothing half-read is ever taken.
"""

from __future__ import annotations

import fcntl
import os
import random
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from failsafe.agent import notices
from failsafe.sync import envelope
from failsafe.sync.ledger import Ledger
from failsafe.sync.records import WELCOME_FILE, encode
from failsafe.sync.reports import LINK_FILE, RECEIPTS_FOLDER, LinkState, Receipt, alert_file, receipt_file
from tests.attacked import BOOTH, Attacked, fed, quickly
from tests.far_hq import TIMESTAMP, FarHq

SOUGHT, NOBODY = 1, 4711
SEED = 20261122
F_SETLEASE, F_WRLCK = 1024, 1  # fcntl(2); Python names neither
quick = pytest.fixture(autouse=True)(quickly)


@pytest.fixture
def booth(tmp_path: Path) -> Iterator[Attacked]:
    """It has taken two steps: notice 1 in the first, 2 and 3 in the second."""
    with fed(tmp_path) as booth:
        yield booth


# --- what may stand where a file belongs -----------------------------------------------------------------------------


def no_text(place: Path, _: ExitStack) -> None:
    place.write_bytes(b'{"state":"up","since":"\xff","id":"\xc3\x28"}')


def a_pipe(place: Path, _: ExitStack) -> None:
    os.mkfifo(place)


def a_folder(place: Path, _: ExitStack) -> None:
    place.mkdir()


def a_file(place: Path, _: ExitStack) -> None:
    place.write_bytes(b"{}")


def a_link_to_itself(place: Path, _: ExitStack) -> None:
    place.symlink_to(place)


def a_link_elsewhere(place: Path, _: ExitStack) -> None:
    place.symlink_to("/proc/self")


def a_terabyte(place: Path, _: ExitStack) -> None:
    place.touch()
    os.truncate(place, 1 << 40)


def a_socket(place: Path, held: ExitStack) -> None:
    # By a short way: a socket's name has room for a hundred letters.
    folder = os.open(place.parent, os.O_RDONLY)
    held.callback(os.close, folder)
    listener = held.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(f"/proc/self/fd/{folder}/{place.name}")


def a_lease(place: Path, held: ExitStack) -> None:
    """Its owner is asked before anybody opens it, and does not answer."""
    held.callback(signal.signal, signal.SIGIO, signal.signal(signal.SIGIO, signal.SIG_IGN))
    owner = os.open(place, os.O_RDWR | os.O_CREAT)
    held.callback(os.close, owner)
    fcntl.fcntl(owner, F_SETLEASE, F_WRLCK)


def folders_without_end(place: Path, held: ExitStack) -> None:
    place.mkdir()
    folder = os.open(place, os.O_RDONLY)
    for _ in range(2_000):
        os.mkdir("deeper", dir_fd=folder)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)


def strange_names(place: Path, _: ExitStack) -> None:
    place.mkdir()
    for name in (
        b"a\nb.json",
        b"\x1b[2J.json",
        b"\xff\xfe.json",
        b"...",
        b"-rf",
        "\u202egnp.json".encode(),
        b" " * 200,
    ):
        (Path(os.fsdecode(os.fsencode(place) + b"/" + name))).write_bytes(b"{}")


OF_A_FILE = (no_text, a_pipe, a_folder, a_link_to_itself, a_link_elsewhere, a_terabyte, a_socket, a_lease)
OF_A_FOLDER = (a_file, a_pipe, a_link_to_itself, a_link_elsewhere, folders_without_end, strange_names)


def gone(place: Path) -> None:
    """The link is mended; shutil gives up where folders have no end."""
    subprocess.run(["rm", "-rf", os.fspath(place)], check=True)


# --- alerts ----------------------------------------------------------------------------------------------------------


def waiting(booth: Attacked) -> set[str]:
    """The names under which what waits for a receipt has to lie in `spool/out`."""
    with Ledger.open(booth.state / "ledger.db", booth.keys.ledger) as ledger:
        return {alert_file(one.urgency, one.sequence, one.id) for one in ledger.waiting()}


def lies_there(booth: Attacked) -> set[str]:
    out = booth.spool.root.parent / "out"
    return {file.relative_to(out).as_posix() for file in out.glob("alerts/*.json")}


def laid_out(booth: Attacked) -> set[str]:
    """One more alert is raised, and all that waits comes to lie where a stick takes it; the names of the new ones."""
    before = waiting(booth)
    assert booth.word(SOUGHT) == "STOP"
    booth.wait(lambda _: waiting(booth) > before and lies_there(booth) == waiting(booth))
    assert booth.word(NOBODY) == "CLEAR"
    return waiting(booth) - before


@pytest.mark.parametrize("poison", OF_A_FILE)
def test_a_word_of_the_link_that_is_none_keeps_no_alert_back(
    booth: Attacked, poison: Callable[[Path, ExitStack], None]
):
    place = booth.spool.root / LINK_FILE
    with ExitStack() as held:
        poison(place, held)
        laid_out(booth)
    gone(place)
    booth.spool.write(LINK_FILE, encode(LinkState(state="up", since="2026-11-22T08:00:00Z")))
    booth.wait(lambda _: (link := booth.header().link) is not None and link.state == "up")


@pytest.mark.parametrize("poison", OF_A_FOLDER)
def test_receipts_that_cannot_be_looked_for_keep_no_alert_back(
    booth: Attacked, poison: Callable[[Path, ExitStack], None]
):
    place = booth.spool.root / RECEIPTS_FOLDER
    with ExitStack() as held:
        poison(place, held)
        names = laid_out(booth)
    gone(place)
    delivered(booth, names)


@pytest.mark.parametrize("poison", OF_A_FILE)
def test_a_receipt_that_is_none_keeps_no_alert_back(booth: Attacked, poison: Callable[[Path, ExitStack], None]):
    names = laid_out(booth)
    places = [booth.spool.root / receipt_file(id_of(name)) for name in names]
    with ExitStack() as held:
        for place in places:
            place.parent.mkdir(exist_ok=True)
            poison(place, held)
        laid_out(booth)
        assert names <= waiting(booth)
    for place in places:
        gone(place)
    delivered(booth, names)


def id_of(name: str) -> str:
    return name.removesuffix(".json").split("-", 2)[2]


def delivered(booth: Attacked, names: set[str]) -> None:
    """Headquarters' true receipts come after all, and do their work."""
    with Ledger.open(booth.state / "ledger.db", booth.keys.ledger) as ledger:
        entries = [entry for name in names if (entry := ledger.entry(id_of(name))) is not None]
    for entry in entries:
        said = Receipt(id=entry.body.id, booth=BOOTH, digest=entry.digest(), received_at="2026-11-22T08:00:00Z")
        booth.spool.write(receipt_file(entry.body.id), encode(envelope.sign_receipt(said, booth.hq.receipts)))
    booth.wait(lambda _: not names & waiting(booth) and not names & lies_there(booth))


def test_what_the_link_says_of_itself_draws_on_no_screen(booth: Attacked):
    """Escape sequences for a technician's terminal, letters that turn the line round, and a page full of it."""
    drawn = "\x1b[2J\x1b]0;title\x07\u202e CLEAR \u2066\n" + 3_000 * "x"
    booth.spool.write(
        LINK_FILE, encode(LinkState(state="down", since="now\x1b[2J", last_contact="\u202e", detail=drawn))
    )
    booth.wait(lambda _: (link := booth.header().link) is not None and link.state == "down")
    link = booth.header().link
    assert link is not None and link.since == "" and link.last_contact is None
    assert link.detail.isprintable() and link.detail.startswith("[2J") and len(link.detail) <= 400


# --- notices ---------------------------------------------------------------------------------------------------------


def test_a_welcome_that_is_no_text(tmp_path: Path):
    """Before anything is held, the root comes from a file that the link may write."""
    booth = Attacked(tmp_path / "booth", FarHq())
    true = booth.spool.read(WELCOME_FILE, 1 << 20)
    booth.spool.write(WELCOME_FILE, b'{"booth":"\xff"}')
    booth.start()
    try:
        booth.hq.put_out(SOUGHT)
        booth.bring()
        booth.wait(lambda told: told["mirror"]["refused"] == "malformed")
        assert booth.word(NOBODY) == "CANNOT CLEAR"
        booth.spool.write(WELCOME_FILE, true)
        booth.holds(1)
    finally:
        booth.stop()


def test_a_disk_that_refuses_to_be_read_is_asked_again(booth: Attacked, monkeypatch: pytest.MonkeyPatch):
    """Nothing new need come: what lies there is taken when it can be read."""
    monkeypatch.setattr(notices, "TRY_AGAIN_S", 0.05)
    head = booth.hq.put_out(5)
    files = booth.hq.files()
    (name,) = (name for name in files if name.endswith(".3-2"))
    with ExitStack() as held:
        place = booth.spool.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(files[name])
        a_lease(place, held)
        for other in sorted(files.keys() - {name}, key=lambda other: other == TIMESTAMP):
            booth.spool.write(other, files[other])
        booth.wait(lambda told: told["mirror"]["refused"] == "spool")
        assert booth.serial() == 2
    booth.holds(head.serial)


def test_files_that_change_between_check_and_use(booth: Attacked, tmp_path: Path):
    """Each file of a publication is swapped for another again and again while the core reads it."""
    old = booth.rows()[0]
    head = booth.hq.put_out(4)
    files = booth.hq.files()
    booth.bring()  # it may be taken at any moment from now on
    over = threading.Event()
    swapper = threading.Thread(target=swap, args=(booth.spool.root, files, over), daemon=True)
    swapper.start()
    try:
        for _ in range(25):
            assert (booth.word(SOUGHT), booth.word(NOBODY)) == ("STOP", "CLEAR")
    finally:
        over.set()
        swapper.join()
    booth.bring()
    booth.hq.touch()
    booth.bring()
    booth.holds(head.serial)
    assert booth.word(4) == "STOP"
    refusals = {now.removeprefix("refused ") for part, now in booth.health() if part == "feed"} - {"OK"}
    assert refusals
    assert refusals <= {"malformed", "truncated", "missing", "older", "unsigned", "not-for-this-booth", "spool"}, (
        refusals
    )
    assert booth.rows()[0].keys() == old.keys()


def swap(root: Path, files: dict[str, bytes], over: threading.Event) -> None:
    """Put something else, or the true file, in place of a file chosen by lot, until `over`."""
    chance = random.Random(SEED)
    beside = root / ".beside"
    names = sorted(files)
    while not over.is_set():
        name = chance.choice([*names, TIMESTAMP, TIMESTAMP])
        how = chance.randrange(6)
        with suppress(OSError):
            if how == 0:
                os.mkfifo(beside)
            elif how == 1:
                beside.symlink_to("/etc/hostname")
            elif how == 2:
                beside.write_bytes(files[chance.choice(names)])
            elif how == 3:
                beside.write_bytes(files[name][: chance.randrange(len(files[name]))])
            else:
                beside.write_bytes(files[name])
            beside.rename(root / name)
