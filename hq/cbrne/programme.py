"""How the CBRNE programme is reached: the table `[notify]` of `hq.toml` in headquarters' home.

No file, or no such table, is in order: nobody is configured, and alerts wait in the outbox. A file that says something
else than it should is refused as a whole, for a misspelt key would leave a channel silent. Secrets lie in files of
their own and are read at each use, so that a lost or changed one stops neither the desk nor the other channel.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from failsafe.hq.cbrne.outbox import Channel
from failsafe.hq.keyring.keys import HeadquartersError

SETTINGS_FILE: Final = "hq.toml"
KEY_FILE: Final = "online/notify.key"
_SETTINGS_LIMIT: Final = 256 * 1024
_SECRET_LIMIT: Final = 4096
_ADVICE: Final = "Correct it; docs/headquarters.md says what each key may be."

# Plain addresses only: they go into headers and into the dialogue with the mail server as they are.
Address = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9._+=-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\Z", max_length=200)
]
Host = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.:-]+\Z", max_length=253)]


class ProgrammeFault(HeadquartersError):
    """The notification settings, or a secret they name, cannot be used."""

    usual_advice = _ADVICE


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class WebhookTable(_Table, frozen=True, kw_only=True):
    """`[notify.webhook]`: `key_file` signs the calls; `ca_file` (PEM) is trusted instead of the system's."""

    url: str
    key_file: str = KEY_FILE
    ca_file: str | None = None


class MailTable(_Table, frozen=True, kw_only=True):
    """`[notify.mail]`: security is `starttls` or `tls`; there is no way to send in the clear."""

    host: Host
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    security: Literal["starttls", "tls"]
    sender: Address
    recipients: Annotated[tuple[Address, ...], msgspec.Meta(min_length=1)]
    username: str | None = None
    password_file: str | None = None
    ca_file: str | None = None


class NotifyTable(_Table, frozen=True, kw_only=True):
    """`[notify]`: `exercises` tells the programme of exercises too."""

    exercises: bool = False
    webhook: WebhookTable | None = None
    mail: MailTable | None = None


@dataclass(frozen=True, slots=True)
class Programme:
    """The settings and the folder that their file names are relative to."""

    home: Path
    table: NotifyTable

    def channels(self) -> dict[Channel, bool]:
        """The configured channels, and whether each is told of exercises."""
        tables: dict[Channel, WebhookTable | MailTable | None] = {
            "webhook": self.table.webhook,
            "e-mail": self.table.mail,
        }
        return {channel: self.table.exercises for channel, table in tables.items() if table is not None}

    def file(self, name: str) -> Path:
        """A file that the settings name."""
        return self.home / name

    def secret(self, name: str) -> bytes:
        """Content of a file that the settings name.

        Raises:
            ProgrammeFault: it cannot be read, is empty, or is far too long.
        """
        try:
            with self.file(name).open("rb") as file:
                content = file.read(_SECRET_LIMIT + 1)
        except OSError as error:
            raise ProgrammeFault(f"{name} cannot be read ({error.strerror}).", "Check its path and owner.") from error
        if not 0 < len(content) <= _SECRET_LIMIT:
            raise ProgrammeFault(f"{name} is empty or no secret.", "Write the secret into it.")
        return content


def load(home: Path) -> Programme:
    """The settings in `home`.

    Raises:
        ProgrammeFault: the file is there and cannot be used; `advice` says what to correct.
    """
    try:
        with (home / SETTINGS_FILE).open("rb") as file:
            content = file.read(_SETTINGS_LIMIT + 1)
    except FileNotFoundError:
        return Programme(home, NotifyTable())
    except OSError as error:
        raise ProgrammeFault(f"{SETTINGS_FILE} cannot be read ({error.strerror}).", "Check its owner.") from error
    if len(content) > _SETTINGS_LIMIT:
        raise ProgrammeFault(f"{SETTINGS_FILE} is over 256 KiB.", f"This is no {SETTINGS_FILE}.")
    return Programme(home, parse(content))


def parse(content: bytes) -> NotifyTable:
    """The table `[notify]` of a settings file; other tables are others' affair.

    Raises:
        ProgrammeFault: naming the key.
    """
    try:
        tree = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        where = f" (line {found[1]})" if (found := re.search(r"line (\d+)", str(error))) else ""
        raise ProgrammeFault(f"{SETTINGS_FILE} is no TOML{where}.", "Strings stand in double quotes.") from error
    found_table = tree.get("notify", {})
    _refuse_unknown(found_table, NotifyTable, "notify")
    try:
        table = msgspec.convert(found_table, NotifyTable)
    except msgspec.ValidationError as error:
        raise ProgrammeFault(_plain(str(error))) from error
    _check_together(table)
    return table


def _refuse_unknown(tree: object, table: type[msgspec.Struct], path: str) -> None:
    """Name a key that is not known, and the nearest that is."""
    if not isinstance(tree, Mapping):
        return
    inner: dict[str, type[msgspec.Struct]] = {"webhook": WebhookTable, "mail": MailTable}
    known = {field.encode_name for field in msgspec.structs.fields(table)}
    for key, value in tree.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(sorted(known))}."
            raise ProgrammeFault(f"{SETTINGS_FILE}: `{key}` is not known in [{path}].", hint)
        if table is NotifyTable and key in inner:
            _refuse_unknown(value, inner[key], f"{path}.{key}")


def _plain(message: str) -> str:
    """msgspec's words, such as "Expected `int`, got `str` - at `$.mail.port`", without the pattern of an address."""
    what, _, where = message.partition(" - at `$")
    place = f"[notify] {where.strip('.`')}" if where else "[notify]"
    return f"{SETTINGS_FILE}, {place}: {re.sub(r'`str` matching regex .*', 'text of another form', what)}."


def _check_together(table: NotifyTable) -> None:
    if table.webhook is not None:
        _check_url(table.webhook.url)
    if table.mail is not None and (table.mail.username is None) != (table.mail.password_file is None):
        raise ProgrammeFault(f"{SETTINGS_FILE}, [notify.mail]: username and password_file go together.")


def _check_url(url: str) -> None:
    """https to wherever, http only to this machine: the alert names a person."""
    try:
        parts: Any = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a wrong port shows only when it is asked for
    except ValueError as error:
        raise ProgrammeFault(f"{SETTINGS_FILE}, [notify.webhook] url: is no address.") from error
    if not host or parts.username is not None or not (url.isascii() and url.isprintable()) or " " in url:
        raise ProgrammeFault(f"{SETTINGS_FILE}, [notify.webhook] url: is no plain address without user and password.")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ProgrammeFault(f"{SETTINGS_FILE}, [notify.webhook] url: must begin with https://.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
