"""`failsafe-hq keys`: the keys of headquarters."""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import click
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select

from failsafe.hq import enrol as enrolment
from failsafe.hq.cbrne import channels, programme
from failsafe.hq.desk.tables import DESK_FILE, HEARTBEATS, open_database, open_file, reading
from failsafe.hq.feeds import published
from failsafe.hq.feeds.publish import BASE_FEED, PublishRefused, moment
from failsafe.hq.feeds.published import Published
from failsafe.hq.keyring import key_words
from failsafe.hq.keyring.certificates import BACKDATED
from failsafe.hq.keyring.key_list import key_lines
from failsafe.hq.keyring.keys import (
    RECEIPT,
    SEAL,
    SERVER_NAMES,
    SNAPSHOT,
    TIMESTAMP,
    HeadquartersError,
    KeyFault,
    KeyStore,
    init,
)
from failsafe.hq.keyring.rotation import Ceremonies, Exchange
from failsafe.hq.office import (
    Office,
    bar_of,
    database_option,
    dry_run_option,
    go_on,
    media_option,
    note,
    passphrase_file_option,
    read_passphrase,
    utc_now,
    yes_option,
)
from failsafe.hq.publish_commands import publish_now
from failsafe.sync.errors import SyncError
from failsafe.sync.records import Statement

_BY_CEREMONY: Final = (SNAPSHOT, TIMESTAMP, RECEIPT, SEAL)
_BY_ITSELF: Final = ("authority", "server", "content", "notify")
_ALL_ONLINE: Final = "online"
# A link asks every ten minutes for what is new, and says every five that it lives.
_TIME_TO_FETCH: Final = dt.timedelta(minutes=30)
_MOST_NAMED: Final = 20
F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def keys() -> None:
    """Keys of headquarters."""


@keys.command("init")
@passphrase_file_option
@click.option("--root-keys", default=3, show_default=True, help="Offline keys of the root role.")
@click.option("--root-threshold", default=2, show_default=True, help="How many of them must sign.")
@click.option("--targets-keys", default=3, show_default=True, help="Offline keys of the top-level targets role.")
@click.option("--targets-threshold", default=2, show_default=True, help="How many of them must sign.")
@click.option(
    "--name",
    "names",
    multiple=True,
    default=SERVER_NAMES,
    show_default=True,
    help="Host name or address by which booths call the server; may be repeated.",
)
@click.pass_obj
def keys_init(
    office: Office,
    passphrase_file: Path | None,
    root_keys: int,
    root_threshold: int,
    targets_keys: int,
    targets_threshold: int,
    names: tuple[str, ...],
) -> None:
    """Make all keys, sign the first root, and start the feed of notices."""
    passphrase, now = read_passphrase(passphrase_file, new=True), utc_now()
    with bar_of("Making the keys"):
        if not office.is_half_made():
            init(
                office.home,
                passphrase=passphrase,
                now=now,
                root_keys=root_keys,
                root_threshold=root_threshold,
                targets_keys=targets_keys,
                targets_threshold=targets_threshold,
                server_names=names,
            )
        statement = Statement(feed=BASE_FEED, lineage=secrets.token_hex(8))
        office.repository().create([statement], passphrase=passphrase, now=now)
    with office.register():
        click.echo(f"Keys and first publication made in {office.home}.")
    note(
        f"Copy {office.home / 'offline'} to two media, keep them apart, and remove the folder here: daily work does "
        "not need it. Next: `failsafe-hq import FILE`, then `failsafe-hq publish`."
    )


@keys.command("server-certificate")
@click.option("--name", "names", multiple=True, required=True, help="Host name or address; may be repeated.")
@click.pass_obj
def keys_server_certificate(office: Office, names: tuple[str, ...]) -> None:
    """Make a new key and certificate for the server that `serve` runs, for the names that booths call it by."""
    ends = office.keys().authority.issue_server_certificate(names, now=utc_now())
    click.echo(f"The server's certificate is for {', '.join(names)} and holds until {moment(ends)}.")
    note("A server that runs shows it from the next connection on; make the next one before this one ends.")


@keys.command("list")
@media_option
@click.pass_obj
def keys_list(office: Office, media: tuple[Path, ...]) -> None:
    """All keys, one a line: name, id, where it lies, since when, until when, what it may sign; tabs between."""
    store = office.keys(media)
    with office.register() as register:
        epochs = register.epochs()
    for line in key_lines(store, published.load(office.repository().public, store), epochs):
        ends = f"ends {line.ends}" if line.ends[:1].isdigit() else line.ends
        click.echo("\t".join((line.name, line.key_id, line.lies, f"since {line.since}", ends, line.signs)))
    office.warn_if_late()


# --- exchange ------------------------------------------------------------------------------------------------


def _exchange_options(command: F) -> F:
    """What `rotate` and `revoke` take alike."""
    decorated: Any = command  # click's own decorators differ in type
    for option in (
        click.argument("role"),
        click.option(
            "--share", "shares", type=click.IntRange(1), multiple=True, help="Only this offline share; may be repeated."
        ),
        media_option,
        click.option(
            "--into",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Medium for the new share where the old one's is not there.",
        ),
        passphrase_file_option,
        dry_run_option,
        yes_option,
        click.pass_obj,
    )[::-1]:
        decorated = option(decorated)
    return cast(F, decorated)


@keys.command("rotate")
@_exchange_options
def keys_rotate(office: Office, role: str, **options: Any) -> None:  # noqa: ANN401 - those of `_exchange_options`
    """Exchange the key of ROLE for a new one.

    ROLE is root, targets, snapshot, timestamp, bureau-ID, receipt, seal, authority, server, content or notify; or
    online, all that lie in online/.
    """
    _exchange(office, role, stolen=False, **options)


@keys.command("revoke")
@_exchange_options
def keys_revoke(office: Office, role: str, **options: Any) -> None:  # noqa: ANN401 - those of `_exchange_options`
    """Exchange a key of ROLE that is lost or stolen, and say what a thief could have done. ROLE as for `rotate`."""
    _exchange(office, role, stolen=True, **options)


def _exchange(
    office: Office,
    role: str,
    shares: tuple[int, ...],
    media: tuple[Path, ...],
    into: Path | None,
    passphrase_file: Path | None,
    dry_run: bool,
    yes: bool,
    *,
    stolen: bool,
) -> None:
    store = office.keys(media)
    _check_role(store, role, shares)
    publication = published.load(office.repository().public, store)
    what = Exchange(_shares(store, publication, role, shares), _online_of(store, role), stolen, into)
    if not go_on(_told(store, publication, role, what, stolen=stolen), dry_run=dry_run, yes=yes):
        return
    if role in _BY_ITSELF:
        _DO[role](office, store)
        return
    passphrase = read_passphrase(passphrase_file)
    bureaus = tuple(one for one in what.online if one.startswith("bureau-"))
    # A stolen key ends before anything else is done.
    first = what if stolen or not bureaus else replace(what, online=tuple(sorted({*what.online} - {*bureaus})))
    if first == what or first.online:
        _sign_exchange(office, store, first, passphrase)
    if first != what:
        _exchange_and_publish(office, office.keys(media), replace(what, online=bureaus), passphrase)
    click.echo(f"{role} is exchanged: `failsafe-hq keys list` shows the new key.")
    if role == _ALL_ONLINE:
        _another_server_certificate(office, store)
        if not store.authority.is_changing():
            _another_authority(office, store)
        if programme.load(office.home).table.webhook is not None:
            _another_notify_key(office, store)
    if SEAL in what.online or bureaus:  # last: it may fail, and the keys are exchanged then
        _publish_under_new_keys(office)


def _sign_exchange(office: Office, store: KeyStore, what: Exchange, passphrase: str) -> None:
    """Exchange keys; what is to be published behind it is due by then, whatever comes in between."""
    with office.register() as register:
        # Key files carry the bureau's signature, and the register's content keys are sealed to the sealing key. Written
        # down before: whoever is killed behind the exchange leaves an epoch that `upkeep` knows to be over.
        if SEAL in what.online:
            register.spend_epochs()
        elif any(role.startswith("bureau-") for role in what.online):
            register.spend_epochs(BASE_FEED)
        with bar_of("Signing"):
            Ceremonies(office.home, store).exchange(what, passphrase=passphrase, now=utc_now())


def _exchange_and_publish(office: Office, store: KeyStore, bureaus: Exchange, passphrase: str) -> None:
    """Exchange bureaus' keys by a publication of their feed, so that no booth meets the new key with the old key files.

    Where nothing can be published, an empty list for instance, the keys are exchanged all the same.
    """
    targets = published.load(office.repository().public, store).targets.signed
    with office.register() as register:
        if register.epochs() and published.bureau_for(targets, BASE_FEED) in bureaus.online:
            with contextlib.suppress(PublishRefused):
                Ceremonies(office.home, store).exchange(
                    bureaus,
                    passphrase=passphrase,
                    now=utc_now(),
                    publish=lambda repository: publish_now(office, register, repository=repository),
                )
                return
    _sign_exchange(office, store, bureaus, passphrase)


def _publish_under_new_keys(office: Office) -> None:
    """Publish if that is due: until then a booth that needs the list anew refuses what the old key has signed for it.

    Raises:
        KeyFault: the key is exchanged, and that was not possible; what to do next.
    """
    try:
        with office.register() as register:
            if any(epoch.spent for epoch in register.epochs()):
                publish_now(office, register)
    except (HeadquartersError, SyncError, OSError) as error:
        why = error.detail if isinstance(error, HeadquartersError | SyncError) else error.strerror
        raise KeyFault(
            f"The key is exchanged, and what booths need next is not published: {why}",
            "Mend that and run `failsafe-hq publish`; `serve` tries it every hour. Until then booths go on with what "
            "they hold, and one that needs the list anew refuses it.",
        ) from error


def _check_role(store: KeyStore, role: str, shares: tuple[int, ...]) -> None:
    known = [_ALL_ONLINE, *key_words.OFFLINE_ROLES, *store.online_roles(), RECEIPT, SEAL, *_BY_ITSELF]
    if role not in known:
        raise click.UsageError(f"There is no role {role}. Known here: {', '.join(known)}.")
    if shares and role not in key_words.OFFLINE_ROLES:
        raise click.UsageError("Only root and targets have shares: leave --share out.")


def _online_of(store: KeyStore, role: str) -> tuple[str, ...]:
    """The online roles whose keys a ceremony exchanges."""
    if role == _ALL_ONLINE:
        return (*store.online_roles(), RECEIPT, SEAL)
    return () if role in key_words.OFFLINE_ROLES or role in _BY_ITSELF else (role,)


def _shares(store: KeyStore, publication: Published, role: str, shares: tuple[int, ...]) -> tuple[str, ...]:
    """The names of the offline shares that go: those given, else all that count."""
    if role not in key_words.OFFLINE_ROLES:
        return ()
    counting = publication.root.signed.roles[role].keyids
    names = sorted(name for name, keyid in store.layout.shares.items() if keyid in counting)
    if not names:  # made before names were written down: as `init` calls them
        names = [f"{role}-{number}" for number in range(1, len(counting) + 1)]
    return tuple(f"{role}-{number}" for number in shares) or tuple(names)


def _told(store: KeyStore, publication: Published, role: str, what: Exchange, *, stolen: bool) -> list[str]:
    """What will happen, with the versions and shares of this headquarters."""
    going = ", ".join(what.shares) or role
    root, targets = publication.root.signed, publication.targets.signed
    lines = [
        line.replace("N.root.json", f"{root.version + 1}.root.json").replace(
            "V.targets", f"{targets.version + 1}.targets"
        )
        for line in key_words.told(role, going, stolen=stolen)
    ]
    if role not in _BY_ITSELF:
        there = {file.stem: file.parent for folder in store.folders() for file in folder.glob("*.pem")}
        names = {keyid: name for name, keyid in store.layout.shares.items()}
        for needed, is_needed in (("root", what.changes_root), ("targets", what.changes_targets)):
            of = root.roles[needed]
            at_hand = sorted(names[one] for one in of.keyids if names.get(one) in there)
            if is_needed:
                lines.append(f"At hand: {', '.join(at_hand) or 'none'} ({of.threshold} of {len(of.keyids)} must sign).")
    return lines


# --- keys that no ceremony is needed for ---------------------------------------------------------------------


def _another_authority(office: Office, store: KeyStore) -> None:
    now = utc_now()
    with office.register() as register:
        store.authority.begin(now)
        renewed = enrolment.renew_certificates(register, store, now=now)
    click.echo(f"A new authority has begun; {len(renewed)} links have a new certificate to fetch.")
    note("End the old one when every link has come: `failsafe-hq keys forget authority`.")


def _another_server_certificate(office: Office, store: KeyStore) -> None:
    found = store.authority.server_certificate().extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    names = [str(name.value) for name in found]
    ends = store.authority.issue_server_certificate(names, now=utc_now())
    click.echo(f"The server's certificate is for {', '.join(names)} and holds until {moment(ends)}.")


def _another_epoch(office: Office, store: KeyStore) -> None:
    with office.register() as register:
        publish_now(office, register, new_epoch=True)


def _another_notify_key(office: Office, store: KeyStore) -> None:
    settings = programme.load(office.home)
    table = settings.table.webhook or programme.WebhookTable(url="")
    settings.file(table.key_file).unlink(missing_ok=True)
    public = Ed25519PublicKey.from_public_bytes(channels.make_key(settings, table))
    click.echo(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii"), nl=False)
    note("Give it to the programme; a server that runs signs with it from the next call on.")


_DO: Final[dict[str, Callable[[Office, KeyStore], None]]] = {
    "authority": _another_authority,
    "server": _another_server_certificate,
    "content": _another_epoch,
    "notify": _another_notify_key,
}


# --- afterwards ----------------------------------------------------------------------------------------------


@keys.command("renew")
@media_option
@passphrase_file_option
@click.pass_obj
def keys_renew(office: Office, media: tuple[Path, ...], passphrase_file: Path | None) -> None:
    """Sign root and targets anew with the keys that there are, before they end."""
    store = office.keys(media)
    passphrase = read_passphrase(passphrase_file)
    with bar_of("Signing"):
        Ceremonies(office.home, store).exchange(Exchange(), passphrase=passphrase, now=utc_now())
    publication = published.load(office.repository().public, store)
    root, targets = publication.root.signed.expires, publication.targets.signed.expires
    click.echo(f"Root holds until {moment(root)}, targets until {moment(targets)}.")


@keys.command("forget")
@click.argument("key")
@dry_run_option
@yes_option
@database_option
@click.pass_obj
def keys_forget(office: Office, key: str, dry_run: bool, yes: bool, database: str | None) -> None:
    """End what was kept of a key that is exchanged: KEY is its id in `keys list`, or authority."""
    store = office.keys()
    if key == "authority":
        lines = [
            "The server gets a certificate of the new authority, and the old authority counts no more.",
            "Booths: a link that has not fetched its new welcome is shut out until a courier brings it.",
            "Here: a server that runs still lets in links of the old authority until it is restarted: restart it.",
        ]
        if not store.authority.is_changing():
            raise KeyFault("No new authority has begun.", "Begin one: `failsafe-hq keys rotate authority`.")
        lines.append(_not_heard(office, store.authority.present().not_valid_before_utc + BACKDATED, database))
        if go_on(lines, dry_run=dry_run, yes=yes):
            store.authority.finish(utc_now())
            click.echo("The old authority has ended. Restart `failsafe-hq serve`.")
        return
    role = next((role for role in (SEAL, RECEIPT) if key in store.former(role)), None)
    if role is None:
        raise KeyFault("There is no former key of that id.", "`failsafe-hq keys list` shows them.")
    lines = [_FORGOTTEN[role]]
    if began := store.layout.since.get(store.key_id(role)):
        lines.append(_not_heard(office, dt.datetime.fromisoformat(began), database))
    if go_on(lines, dry_run=dry_run, yes=yes):
        store.forget(role, key)
        click.echo("Forgotten.")


def _not_heard(office: Office, since: dt.datetime, database: str | None) -> str:
    """Which booths may still have the old key: those of which nothing came since the exchange, and a little more."""
    with office.register() as register:
        booths = [booth.name for booth in register.booths() if booth.revoked_at is None]
    heard: dict[str, str] = {}
    if database or (office.home / DESK_FILE).is_file():
        engine = open_database(database) if database else open_file(office.home / DESK_FILE)
        with reading(engine) as connection:
            rows = connection.execute(select(HEARTBEATS.c.booth, HEARTBEATS.c.heard_at)).all()
        heard = {row.booth: row.heard_at for row in rows}
        engine.dispose()
    missing = [name for name in booths if heard.get(name, "") < moment(since + _TIME_TO_FETCH)]
    if not missing:
        return f"Heard since the exchange: all {len(booths)} booths."
    shown = ", ".join(missing[:_MOST_NAMED]) + (" and others" if len(missing) > _MOST_NAMED else "")
    return f"Not heard since the exchange: {len(missing)} of {len(booths)} booths: {shown}."


_FORGOTTEN: Final = {
    SEAL: "Alerts that are sealed to this key are refused from now on. Their booths keep them, and seal them anew when "
    "they have the keys of today; nothing is lost.",
    RECEIPT: "Receipts of this key count no more when root and targets are signed next (`failsafe-hq keys renew`). "
    "Booths that have such a receipt only ask again.",
}
