"""An alert as the CBRNE programme gets it: the signed webhook call and the e-mail. Pure: keys and times come in.

Both are the same bytes however often they are sent, and carry the alert's id where the other side looks for it: the
`Idempotency-Key` of the call, the `Message-ID` of the mail. Whatever a booth or a document wrote is made one line
without control characters before it goes into a header or the text, so that no name can pass for a line of its own.

The call is signed as RFC 9421 says (HTTP Message Signatures, Ed25519): over method, idempotency key, `Content-Digest`
(RFC 9530) and the time. docs/headquarters.md says how to check it.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from failsafe.sync.reports import (
    ENTRY_ID,
    Alert,
    ChannelSummary,
    MatchedDocument,
    MatchedNotice,
    Measurement,
    OwnTest,
    PersonAsRead,
    RadiationSummary,
)

EXERCISE: Final = "EXERCISE"
_SUBJECT_LENGTH: Final = 150
_COMPONENTS: Final = '("@method" "idempotency-key" "content-digest")'
# Categories of characters that end a line, move the cursor or are no characters, and the marks that turn text round.
_ODD: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_KINDS: Final = {
    "notice_hit": "Notice hit",
    "listed_document": "Listed document",
    "radiation_alarm": "Radiation alarm",
    "person_and_radiation": "Person and radiation",
    "exercise": "Exercise",
}
_TIERS: Final = {"rn": "radiological or nuclear", "un": "UN special notice"}


def public_id(alert_id: str) -> str:
    """The id under which the other side knows an alert: its own, or a digest of what is no id of this house."""
    return alert_id if ENTRY_ID.fullmatch(alert_id) else hashlib.sha256(alert_id.encode("utf-8", "replace")).hexdigest()


def clean(text: str) -> str:
    """`text` on one line: control characters, line ends and turning marks become spaces, spaces come singly."""
    shown = ("" if char in _TURNING else " " if unicodedata.category(char) in _ODD else char for char in text)
    return " ".join("".join(shown).split())


# --- webhook --------------------------------------------------------------------------------------------------


def key_id(public: bytes) -> str:
    """16 hexadecimal digits that name a notification key (its 32 public bytes)."""
    return hashlib.sha256(public).hexdigest()[:16]


def call_headers(alert_id: str, body: bytes, secret: bytes, at: dt.datetime) -> dict[str, str]:
    """Headers of the webhook call that carries `body`.

    Args:
        alert_id: becomes the idempotency key.
        body: the alert's JSON, sent as it is.
        secret: Ed25519 seed of headquarters' notification key, 32 bytes.
        at: when the signature is made.
    """
    key = Ed25519PrivateKey.from_private_bytes(secret)
    idempotency_key = public_id(alert_id)
    digest = f"sha-256=:{_base64(hashlib.sha256(body).digest())}:"
    signer = key_id(key.public_key().public_bytes_raw())
    parameters = f'{_COMPONENTS};created={int(at.timestamp())};keyid="{signer}";alg="ed25519"'
    signature = key.sign(signature_base(idempotency_key, digest, parameters))
    return {
        "Content-Type": "application/json",
        "Idempotency-Key": idempotency_key,
        "Content-Digest": digest,
        "Signature-Input": f"cbrne={parameters}",
        "Signature": f"cbrne=:{_base64(signature)}:",
    }


def signature_base(idempotency_key: str, digest: str, parameters: str) -> bytes:
    """The bytes that a call's signature covers (RFC 9421, section 2.5)."""
    lines = (
        '"@method": POST',
        f'"idempotency-key": {idempotency_key}',
        f'"content-digest": {digest}',
        f'"@signature-params": {parameters}',
    )
    return "\n".join(lines).encode("ascii")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


# --- e-mail ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Correspondence:
    """From whom and to whom: plain addresses in ASCII."""

    sender: str
    recipients: tuple[str, ...]

    @property
    def domain(self) -> str:
        return self.sender.rpartition("@")[2]


def mail(alert: Alert | Measurement, received_at: str, correspondence: Correspondence) -> bytes:
    """The whole message, lines ended by CR LF, every byte below 128; of a measurement, that headquarters has it.

    The subject names no person: it is shown on lock screens and written into mail servers' logs.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = correspondence.sender
    message["To"] = ", ".join(correspondence.recipients)
    message["Subject"] = _subject(alert)
    if date := _moment(received_at):
        message["Date"] = format_datetime(date)
    message["Message-ID"] = f"<{public_id(alert.id)}@{correspondence.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    if isinstance(alert, Measurement):
        lines = measurement_text(alert, received_at)
        message["X-Failsafe-Measurement"] = public_id(alert.id)
        message["X-Failsafe-Kind"] = "measurement"
    else:
        lines = text(alert, received_at)
        message["X-Failsafe-Alert"] = public_id(alert.id)
        message["X-Failsafe-Kind"] = alert.kind
        message["X-Failsafe-Urgency"] = alert.urgency
        if alert.kind == "exercise":
            message["X-Failsafe-Exercise"] = "yes"
    message.set_content("\n".join(lines) + "\n", cte="quoted-printable")
    return message.as_bytes()


def _moment(written: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(written).astimezone(dt.UTC)
    except ValueError:
        return None


def _subject(alert: Alert | Measurement) -> str:
    if isinstance(alert, Measurement):
        return f"[CBRNE] Measurement, {clean(alert.place.crossing_point)} ({clean(alert.place.country)})"[
            :_SUBJECT_LENGTH
        ]
    mark = f"{EXERCISE}: " if alert.kind == "exercise" else ""
    urgent = "URGENT, " if alert.urgency == "urgent" else ""
    where = f"{clean(alert.place.crossing_point)} ({clean(alert.place.country)})"
    return f"{mark}[CBRNE] {urgent}{_KINDS[alert.kind]}, {where}"[:_SUBJECT_LENGTH]


def text(alert: Alert, received_at: str) -> Iterator[str]:
    """The alert in plain words, line by line."""
    if alert.kind == "exercise":
        yield from (
            f"{EXERCISE} {EXERCISE} {EXERCISE}",
            "Nothing has happened. This only shows that messages arrive.",
            "",
        )
    yield f"{_KINDS[alert.kind]}. The booth said {clean(alert.verdict)}."
    yield from _section("Where", _where(alert))
    yield from _section("When", _when(alert, received_at))
    yield from _section("Who", _who(alert.person))
    yield from _section("Why", _why(alert))
    yield from _section("Radiation", _radiation(alert.radiation))
    yield from _section("Notices the booth judged by", _mirror(alert))
    yield from _section("References", _references(alert))


def measurement_text(measurement: Measurement, received_at: str) -> Iterator[str]:
    """That a measurement has come, line by line; the document itself stays at headquarters."""
    yield "What the detector counted in the passage of an alert is at headquarters."
    yield "It is a document of ANSI N42.42-2011; the command centre's list offers it under the alert."
    yield from _section("Where", _where(measurement))
    yield from _section("When", _when(measurement, received_at))
    yield from _section("Radiation", _radiation(measurement.radiation))
    alerts = [f"Alert: {public_id(alert)}" for alert in measurement.alerts]
    yield from _section("References", [*alerts, f"Measurement: {public_id(measurement.id)}, {measurement.size} bytes"])


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield ""
    yield title
    yield from (f"  {clean(line)}" for line in lines)


def _where(alert: Alert | Measurement) -> Iterator[str]:
    place = alert.place
    yield f"Country: {place.country}"
    yield f"Crossing point: {place.crossing_point}"
    if place.latitude is None or place.longitude is None:
        yield "Position: not known"
    else:
        yield f"Position: {place.latitude:.5f}, {place.longitude:.5f} (latitude, longitude)"
    yield f"Booth: {place.booth}" + (f", lane {place.lane}" if place.lane else "")


def _when(alert: Alert | Measurement, received_at: str) -> Iterator[str]:
    doubt = "" if alert.at.trusted else " (the booth's clock is NOT to be trusted)"
    yield f"At the booth: {alert.at.wall}{doubt}"
    yield f"At headquarters: {received_at}"


def _who(person: PersonAsRead | None) -> Iterator[str]:
    if person is None:
        yield "Nobody is named by this alert."
        return
    read = "read from a document" if person.source == "zone" else "entered by hand"
    yield f"As {read}" + (", with a repaired character: compare with the zone." if person.repaired else ".")
    for label, value in (
        ("Surname", person.surname),
        ("Given names", person.given),
        ("Born", person.birth_date),
        ("Sex", person.sex),
        ("Nationality", person.nationality),
        ("Document", _joined(", issued by ", person.document_number, person.issuing_state)),
    ):
        if value:
            yield f"{label}: {value}"
    yield from (f"Zone: {line}" for line in person.zone)


def _joined(between: str, *values: str | None) -> str:
    return between.join(value for value in values if value)


def _why(alert: Alert) -> Iterator[str]:
    for notice in alert.notices:
        yield from _notice(notice)
    yield from map(_listed, alert.listed)
    if not alert.notices and not alert.listed:
        yield "No notice and no listed document."


def _notice(notice: MatchedNotice) -> Iterator[str]:
    tier = _TIERS.get(notice.tier, f"{notice.tier} notice")
    yield f"{notice.grade.capitalize()} candidate: notice {notice.entity_id} ({tier}), score {notice.score:.2f}"
    for reason in notice.reasons:
        pair = _joined(" = ", clean(reason.query), clean(reason.candidate))  # a word may be on one side only
        yield f"- {reason.field.replace('_', ' ')}: {pair}; {reason.why} ({reason.points:+.2f})"


def _listed(document: MatchedDocument) -> str:
    sure = "surely read" if document.sure else "read with a repaired character"
    named = f"{document.number} of {document.issuing_country} ({document.document_type})"
    return f"Listed document: {named}, {document.fraud_type}, {sure}"


def _radiation(radiation: RadiationSummary | None) -> Iterator[str]:
    if radiation is None:
        yield "No measurement belongs to this alert."
        return
    duration = "" if radiation.duration_s is None else f", passage of {radiation.duration_s:.1f} s"
    yield f"Detector: {radiation.detector}, {radiation.health}{duration}"
    yield from map(_channel, radiation.channels)
    yield from map(_own_test, radiation.own)
    if radiation.nuclides:
        yield f"The detector recognised: {', '.join(radiation.nuclides)}"


def _channel(channel: ChannelSummary) -> str:
    peak = f"{channel.peak:g} counts in {channel.interval_s:g} s at most"
    against = "" if channel.background_cps is None else f", background {channel.background_cps:.1f} counts a second"
    panels = f", panels {', '.join(map(str, channel.panels))}" if channel.panels else ""
    return f"{channel.channel.capitalize()}: {'ALARM' if channel.alarm else 'quiet'}, {peak}{against}{panels}"


def _own_test(test: OwnTest) -> str:
    panels = f", panels {', '.join(map(str, test.panels))}" if test.panels else ""
    return (
        f"The booth's own test ({test.channel}, {test.test}): {test.strength:g}, threshold {test.threshold:g}{panels}"
    )


def _mirror(alert: Alert) -> Iterator[str]:
    yield f"Age: {_age(alert.mirror_age_s)}"
    for feed in alert.mirror:
        yield f"Feed {feed.feed}: serial {feed.serial}, lineage {feed.lineage}"


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "not known"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min"


def _references(alert: Alert) -> Sequence[str]:
    follows = [f"Follows alert: {alert.follows}"] if alert.follows else []
    crossing = [f"Crossing: {alert.crossing}"] if alert.crossing else []
    return (f"Alert: {public_id(alert.id)}", *follows, *crossing, "The command centre's list has the whole alert.")
