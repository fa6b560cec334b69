"""A stick in a stranger's hands, and a web server in a thief's: what either leaves in `spool/in` outlasts neither.

Whatever it was, the next honest publication is taken, over the line or from another stick, and nobody clears away.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from failsafe.sync import delivery
from failsafe.sync.courier import import_folder
from failsafe.sync.errors import Malformed, Older, SpoolFault
from failsafe.sync.records import METADATA_FOLDER, WELCOME_FILE, key_file
from failsafe.sync.refresh import Refresher
from failsafe.sync.reports import FeedState, Want, receipt_file
from failsafe.sync.seal import seal
from failsafe.sync.spool import Spool
from tests.attacked import BOOTH, Attacked, changing_only, fed, quickly
from tests.far_hq import FEED, LINEAGE, Files, lay
from tests.test_killed_updates import Folder

SOUGHT, NOBODY = 1, 4711
NEXT_ROOT = f"{METADATA_FOLDER}/2.root.json"
quick = pytest.fixture(autouse=True)(quickly)
Bring = Callable[[Files], object]


@pytest.fixture
def booth(tmp_path: Path) -> Iterator[Attacked]:
    """It has taken two steps: notice 1 in the first, 2 and 3 in the second."""
    with fed(tmp_path) as booth:
        yield booth


class Ways:
    """The two ways by which honest files reach a booth, as they really are."""

    def __init__(self, booth: Attacked, folder: Path, quota: int = 20_000) -> None:
        self._booth, self._folder = booth, folder
        self.spool = Spool(booth.spool.root, max_files=quota)
        self._sticks = 0
        for made in ("public", "link"):
            (folder / made).mkdir()
        source = Folder(folder / "public")
        self._refresher = Refresher(source, self.spool, folder / "link", booth.welcome.root, BOOTH)

    def stick(self, files: Files) -> None:
        """On a stick of its own, imported by the technician."""
        self._sticks += 1
        folder = self._folder / f"stick-{self._sticks}"
        for name, content in files.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        import_folder(folder, self.spool, BOOTH, out=Spool(self._booth.spool.root.parent / "out"))

    def line(self, files: Files) -> None:
        """Over the line, by the link's own refresh."""
        lay(Spool(self._folder / "public"), files)
        held = FeedState(feed=FEED, lineage=LINEAGE, serial=self._booth.serial())
        self._refresher.refresh(Want(booth=BOOTH, feeds=(FEED,), held=(held,)))

    def by(self, name: str) -> Bring:
        return {"stick": self.stick, "line": self.line}[name]


@pytest.fixture
def ways(booth: Attacked, tmp_path: Path) -> Ways:
    return Ways(booth, tmp_path)


def refuses(booth: Attacked, reason: str, attack: Callable[[], object]) -> None:
    """The core refuses what the attack has left it, and nothing else changes."""
    with changing_only(booth, ("feed", f"refused {reason}")):
        attack()
        booth.wait(lambda told: told["mirror"]["refused"] == reason)
        booth.wait(lambda _: booth.health()[-1] == ("feed", f"refused {reason}"))
    assert (booth.word(SOUGHT), booth.word(NOBODY)) == ("STOP", "CLEAR")


def takes(booth: Attacked, bring: Bring) -> None:
    """The next honest publication is taken."""
    head = booth.hq.put_out(5)
    bring(booth.hq.files())
    booth.holds(head.serial)
    assert (booth.word(SOUGHT), booth.word(5), booth.word(NOBODY)) == ("STOP", "STOP", "CLEAR")


# --- what stays in the spool -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["stick", "line"])
@pytest.mark.parametrize("how", ["noise", "strangers' signatures"])
def test_a_root_that_nobody_signed_is_gone_with_the_next_publication(booth: Attacked, ways: Ways, how: str, way: str):
    """Every reader asks for the next root first; one that stayed would have each publication refused from now on."""
    thief = booth.hq.stolen()
    thief.root.version += 1
    root = thief.seal_root([CryptoSigner.generate_ed25519()] * 2) if how != "noise" else b"{"
    attack = {**booth.hq.files(), NEXT_ROOT: root}
    refuses(booth, "truncated" if how == "noise" else "unsigned", lambda: ways.stick(attack))
    takes(booth, ways.by(way))


@pytest.mark.parametrize("way", ["stick", "line"])
def test_roots_without_number_do_not_fill_the_spool_for_ever(booth: Attacked, tmp_path: Path, way: str):
    """Roots are kept when all else is cleared away, since a booth that was off for long follows them."""
    ways = Ways(booth, tmp_path, quota=60)
    junk = {f"{METADATA_FOLDER}/{number}.root.json": b"{}" for number in range(2, 40)}
    refuses(booth, "truncated", lambda: ways.stick({**booth.hq.files(), **junk}))
    takes(booth, ways.by(way))
    assert not [name for name in junk if booth.spool.holds(name)]


@pytest.mark.parametrize(
    "name",
    [
        "metadata/4.snapshot.json/1.x.json",
        "metadata/2.root.json/x.root.json",
        "metadata/timestamp.json.d/x",
        f"targets/feed/base/{64 * 'a'}.head.json/{64 * 'b'}.x",
        f"targets/{64 * 'a'}.x/{64 * 'b'}.x",
        "targets/feed/base/head.json",
        "metadata/root.json",
        "metadata/a\nb.json",
        "metadata/\x1b[2J.json",
    ],
)
def test_a_stick_with_folders_or_names_that_no_publication_has(booth: Attacked, ways: Ways, name: str):
    """A folder where a later file belongs could not be replaced by that file."""
    with changing_only(booth):
        before = sorted(booth.spool.root.rglob("*"))
        with pytest.raises(Malformed) as refusal:
            ways.stick({**booth.hq.files(), name: b"x"})
        assert sorted(booth.spool.root.rglob("*")) == before
        assert f"{refusal.value}{refusal.value.advice}".isprintable()
    takes(booth, ways.stick)


def test_a_stick_full_of_what_is_no_text(booth: Attacked, ways: Ways):
    """Welcome and receipts are read by the technician's own command before the core sees them."""
    booth.word(SOUGHT)
    out = booth.spool.root.parent / "out"
    booth.wait(lambda _: list(out.glob("alerts/*.json")))
    noise = {WELCOME_FILE: b'{"booth":"\xff"}', f"{BOOTH}.{WELCOME_FILE}": b'{"\xff'}
    noise |= {receipt_file(one.stem.split("-", 2)[2]): b'{"id":"\xc3\x28"}' for one in out.glob("alerts/*.json")}
    welcome = booth.spool.read(WELCOME_FILE, 1 << 20)
    head = booth.hq.put_out(5)
    ways.stick({**booth.hq.files(), **noise})
    booth.holds(head.serial)
    assert booth.spool.read(WELCOME_FILE, 1 << 20) == welcome
    assert not booth.spool.names("receipts/")


def test_a_spool_that_another_process_keeps_to_itself(booth: Attacked, ways: Ways, monkeypatch: pytest.MonkeyPatch):
    """A link gone bad cannot make the technician's import wait for ever: it says what to do."""
    monkeypatch.setattr(delivery, "_PATIENCE_S", 0.2)
    with delivery.alone(booth.spool), pytest.raises(SpoolFault) as refusal:
        ways.stick(booth.hq.files())
    assert "systemctl stop failsafe-link" in refusal.value.advice
    takes(booth, ways.stick)


# --- what a web server gives, that nobody signs ----------------------------------------------------------------------


@pytest.mark.parametrize("what", ["noise", "the server's own key", "nothing"])
def test_a_key_file_that_the_web_server_made(booth: Attacked, ways: Ways, what: str):
    """It is no target of TUF, so the link cannot tell; once the server is honest again, the true one is fetched."""
    epoch = booth.hq.new_epoch()
    head = booth.hq.put_out(4)
    name = key_file(FEED, epoch, BOOTH)
    forged = {
        "noise": secrets.token_bytes(1168),
        "the server's own key": seal(
            bytes(32), booth.seal, purpose="content-key", booth=BOOTH, about=f"{FEED}/{epoch}"
        ),
        "nothing": b"",
    }[what]
    true = booth.hq.files()
    refuses(booth, "not-for-this-booth", lambda: ways.line({**true, name: forged}))
    booth.hq.touch()
    ways.line(booth.hq.files())
    booth.holds(head.serial)
    assert booth.word(4) == "STOP"


def test_a_web_server_whose_keys_ran_ahead(booth: Attacked, ways: Ways):
    """Timestamp and snapshot of a billionth version, rightly signed: booth and link follow the new keys down."""
    thief = booth.hq.stolen()
    thief.timestamp.version = thief.snapshot.version = 1_000_000_000
    thief.step()
    ways.line(thief.files())
    booth.wait(lambda _: booth.timestamp_version() > 1_000_000_000)
    booth.hq.put_out(4)
    with pytest.raises(Older):
        ways.line(booth.hq.files())
    booth.hq.change_key("timestamp")
    booth.hq.change_key("snapshot")
    takes(booth, ways.line)
    takes(booth, ways.stick)


@pytest.mark.parametrize("length", [0, 31, 33, 127, 129, 4096])
def test_a_key_file_of_another_length_sealed_for_this_booth(booth: Attacked, length: int):
    """Whoever knows the booth's public key can seal anything at all to it."""
    epoch = booth.hq.new_epoch()
    head = booth.hq.put_out(4)
    box = seal(bytes(length), booth.seal, purpose="content-key", booth=BOOTH, about=f"{FEED}/{epoch}")
    files = {**booth.hq.files(), key_file(FEED, epoch, BOOTH): box}
    refuses(booth, "malformed", lambda: booth.bring(files))
    booth.hq.touch()
    booth.bring()
    booth.holds(head.serial)
