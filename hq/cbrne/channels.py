"""The channels to the CBRNE programme: a webhook and a mail server, each asked once at a time.

Both check the other side's certificate, follow nobody elsewhere, and end in a bounded time however slowly the other
side goes on. What went wrong is said without a word of what was sent: servers like to repeat it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import secrets
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol

import httpx
import msgspec

from failsafe.hq.cbrne import telling
from failsafe.hq.cbrne.outbox import Channel, Letter
from failsafe.hq.cbrne.programme import MailTable, Programme, ProgrammeFault, WebhookTable
from failsafe.sync.records import encode
from failsafe.sync.reports import Alert, Measurement, Moment, Place
from failsafe.sync.seal import signing_public

_KEY_LENGTH: Final = 32
_BUSY: Final = frozenset({408, 429, 502, 503, 504})  # the other side as a whole has no time
_TOO_LATE: Final = "No answer in time."


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one try may take: `step_s` for one answer, `total_s` for all of it, however slowly it goes on."""

    step_s: float = 10.0
    total_s: float = 30.0


USUAL_PATIENCE: Final = Patience()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one try.

    Args:
        trouble: empty where it is told; else why not, in words that name no person.
        is_line_down: nothing else would have passed either.
        told: addresses that have it although others have not.
    """

    trouble: str = ""
    is_line_down: bool = False
    told: tuple[str, ...] = ()


class Sender(Protocol):
    """One channel to the programme."""

    @property
    def channel(self) -> Channel: ...

    def send(self, letter: Letter, at: dt.datetime) -> Outcome:
        """Try once; returns within its patience or little more, and raises only ProgrammeFault."""
        ...


# --- webhook --------------------------------------------------------------------------------------------------


class Webhook:
    """Posts the alert's JSON, signed; any 2xx means that the other side has it."""

    channel: Channel = "webhook"

    def __init__(self, programme: Programme, table: WebhookTable, patience: Patience = USUAL_PATIENCE) -> None:
        self._patience = patience
        self._programme = programme
        self._table = table

    def send(self, letter: Letter, at: dt.datetime) -> Outcome:
        secret = notification_key(self._programme, self._table)
        headers = telling.call_headers(letter.alert_id, letter.body, secret, at)
        context = _trust(self._programme, self._table.ca_file)
        try:
            status = asyncio.run(self._post(letter.body, headers, context))
        except Exception as error:  # httpx, ssl and the resolver have an exception each
            return Outcome(_line_trouble(error), is_line_down=True)
        if 200 <= status < 300:
            return Outcome()
        said = [f"The webhook answered {status}."]
        if 300 <= status < 400:
            said.append("Redirects are not followed: correct the url.")
        return Outcome(" ".join(said), is_line_down=status in _BUSY)

    async def _post(self, body: bytes, headers: dict[str, str], context: ssl.SSLContext) -> int:
        """The answer's status; its body is not read, whatever its length."""
        client = httpx.AsyncClient(
            verify=context, timeout=self._patience.step_s, trust_env=False, follow_redirects=False
        )
        async with (
            asyncio.timeout(self._patience.total_s),
            client,
            client.stream("POST", self._table.url, content=body, headers=headers) as answer,
        ):
            return answer.status_code


def notification_key(programme: Programme, table: WebhookTable) -> bytes:
    """Ed25519 seed that signs the calls.

    Raises:
        ProgrammeFault: there is none.
    """
    try:
        secret = programme.secret(table.key_file)
    except ProgrammeFault as error:
        raise ProgrammeFault(error.detail, "Make it with `failsafe-hq notify key`.") from error
    if len(secret) != _KEY_LENGTH:
        advice = "Put the right file there, or remove it and make another with `failsafe-hq notify key`."
        raise ProgrammeFault(f"{table.key_file} holds no key of {_KEY_LENGTH} bytes.", advice)
    return secret


def make_key(programme: Programme, table: WebhookTable) -> bytes:
    """The public half (32 bytes) of the key that signs the calls; the key is made, mode 0600, if there is none.

    Raises:
        ProgrammeFault: it cannot be written, or what is there is no key.
    """
    file = programme.file(table.key_file)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise ProgrammeFault(f"{table.key_file} cannot be written ({error.strerror}).", "Check its folder.") from error
    else:
        with os.fdopen(descriptor, "wb") as target:
            target.write(secrets.token_bytes(_KEY_LENGTH))
            target.flush()
            os.fsync(target.fileno())
    return signing_public(notification_key(programme, table))


# --- e-mail ---------------------------------------------------------------------------------------------------


class Mail:
    """Gives the message to the mail server, over TLS whose certificate is checked; done when every address has it."""

    channel: Channel = "e-mail"

    def __init__(self, programme: Programme, table: MailTable, patience: Patience = USUAL_PATIENCE) -> None:
        self._patience = patience
        self._programme = programme
        self._table = table
        self._correspondence = telling.Correspondence(table.sender, table.recipients)

    def send(self, letter: Letter, at: dt.datetime) -> Outcome:
        missing = [address for address in self._table.recipients if address not in letter.told]
        if not missing:
            return Outcome()
        told = msgspec.json.decode(letter.body, type=Alert | Measurement)
        message = telling.mail(told, letter.received_at, self._correspondence)
        context = _trust(self._programme, self._table.ca_file)
        session = self._session(context)
        watch = _Watch(session, self._patience.total_s)
        try:
            with watch.over():
                self._greet(session, context)
                refused = session.sendmail(self._table.sender, missing, message)
                with suppress(smtplib.SMTPException, OSError):  # it has the message: a rude farewell changes nothing
                    session.quit()
        except smtplib.SMTPRecipientsRefused as error:
            return _partly(letter, missing, error.recipients)
        except Exception as error:  # smtplib, ssl and the resolver have an exception each
            return _mail_trouble(error, letter, was_cut=watch.was_cut)
        finally:
            session.close()
        return _partly(letter, missing, refused)

    def _session(self, context: ssl.SSLContext) -> smtplib.SMTP:
        """A session that is not connected yet, so that whoever watches it has its socket from the first byte on."""
        name, step_s = self._correspondence.domain, self._patience.step_s
        session: smtplib.SMTP
        if self._table.security == "tls":
            session = smtplib.SMTP_SSL(local_hostname=name, timeout=step_s, context=context)
        else:
            session = smtplib.SMTP(local_hostname=name, timeout=step_s)
        # smtplib checks the certificate against this name, and keeps it only if the constructor connects.
        vars(session)["_host"] = self._table.host
        return session

    def _greet(self, session: smtplib.SMTP, context: ssl.SSLContext) -> None:
        code, _ = session.connect(self._table.host, self._table.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, b"")
        if self._table.security == "starttls":
            session.starttls(context=context)
        if self._table.username is not None and self._table.password_file is not None:
            password = self._programme.secret(self._table.password_file).decode("utf-8", "replace")
            session.login(self._table.username, password.rstrip("\r\n"))


class _Watch:
    """Cuts a session that goes on for too long: smtplib's own timeout begins anew with every byte."""

    def __init__(self, session: smtplib.SMTP, total_s: float) -> None:
        self._session = session
        self._total_s = total_s
        self._done = threading.Event()
        self.was_cut = False

    @contextmanager
    def over(self) -> Iterator[None]:
        thread = threading.Thread(target=self._cut_late, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def _cut_late(self) -> None:
        wait_s = self._total_s
        while not self._done.wait(wait_s):  # again and again: a handshake exchanges the socket
            self.was_cut, wait_s = True, 0.5
            line = self._session.sock
            if line is not None:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)


def _partly(letter: Letter, asked: list[str], refused: dict[str, tuple[int, bytes]]) -> Outcome:
    """Every address has it, or some have not: those are asked again, and only those."""
    if not refused:
        return Outcome()
    told = (*letter.told, *(address for address in asked if address not in refused))
    codes = ", ".join(sorted({str(code) for code, _ in refused.values()}))
    return Outcome(f"The mail server refused {len(refused)} of the recipients ({codes}).", told=told)


def _mail_trouble(error: Exception, letter: Letter, *, was_cut: bool) -> Outcome:
    """Codes only: a server's words may repeat what it was sent."""
    if isinstance(error, ProgrammeFault):
        raise error
    if was_cut:
        return Outcome(_TOO_LATE, is_line_down=True, told=letter.told)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        trouble = f"The mail server refused user or password ({error.smtp_code}). Check username and password_file."
        return Outcome(trouble, is_line_down=True, told=letter.told)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        trouble = "The mail server does not offer what is configured (STARTTLS or sign-in). Check security and port."
        return Outcome(trouble, is_line_down=True, told=letter.told)
    if isinstance(error, smtplib.SMTPResponseException):
        is_about_this_message = isinstance(error, smtplib.SMTPDataError) and error.smtp_code != 421
        trouble = f"The mail server answered {error.smtp_code}."
        return Outcome(trouble, is_line_down=not is_about_this_message, told=letter.told)
    return Outcome(_line_trouble(error), is_line_down=True, told=letter.told)


# --- lines ----------------------------------------------------------------------------------------------------


def _trust(programme: Programme, ca_file: str | None) -> ssl.SSLContext:
    """TLS with the other side's certificate and name checked.

    Raises:
        ProgrammeFault: `ca_file` holds no certificate.
    """
    if ca_file is None:
        return _system_trust()
    try:
        return ssl.create_default_context(cafile=programme.file(ca_file))
    except OSError as error:  # SSLError is one
        raise ProgrammeFault(f"{ca_file} cannot be read as certificates.", "Give a PEM file.") from error


@cache
def _system_trust() -> ssl.SSLContext:
    """The system's authorities, read once: it takes longer than a call."""
    return ssl.create_default_context()


def _line_trouble(error: Exception) -> str:
    """Why a line failed, in words; looked up along the causes, since httpx wraps what ssl and sockets raise."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and len(chain) < 10:
        chain.append(cause)
    for kinds, words in (
        ((ssl.SSLCertVerificationError,), "The other side's certificate is not trusted. Check ca_file and the name."),
        ((ssl.SSLError,), "TLS failed. Check port and security."),
        ((socket.gaierror,), "The name is not known. Check it and the resolver."),
        ((ConnectionRefusedError,), "Nobody listens there."),
        ((TimeoutError, httpx.TimeoutException), _TOO_LATE),
    ):
        if any(isinstance(link, kinds) for link in chain):
            return words
    return f"The connection broke ({type(error).__name__})."


def senders(programme: Programme) -> list[Sender]:
    """The configured channels."""
    table = programme.table
    found: list[Sender] = []
    if table.webhook is not None:
        found.append(Webhook(programme, table.webhook))
    if table.mail is not None:
        found.append(Mail(programme, table.mail))
    return found


def exercise(alert_id: str, moment: str) -> Letter:
    """A letter that says EXERCISE all over, to see whether a channel works; no booth and no person is in it."""
    alert = Alert(
        id=alert_id,
        kind="exercise",
        urgency="routine",
        at=Moment(wall=moment, monotonic_s=0.0, trusted=True),
        place=Place(booth="HQ", country="UNK", crossing_point=telling.EXERCISE),
        verdict=telling.EXERCISE,
    )
    return Letter(alert_id, encode(alert), moment)
