"""A booth's first word to headquarters, and headquarters' answer.

`BOOTH.enrol` is a `records.Enrolment` as JSON: the booth's public keys, its certificate request, and a proof that who
wrote it holds the signing key. The proof does not say who that is: an operator compares the fingerprint with what the
technician reads out at the booth. The answer, `BOOTH.welcome.json`, holds the root of trust and the link's certificate.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from typing import Final

import msgspec
from cryptography import x509

from failsafe.hq.feeds.publish import moment
from failsafe.hq.feeds.register import Register
from failsafe.hq.feeds.repository import Repository
from failsafe.hq.keyring.keys import HeadquartersError, KeyStore
from failsafe.sync import seal
from failsafe.sync.errors import Unsigned
from failsafe.sync.records import BOOTH_ID, Enrolment, Welcome, encode

ENROLMENT_LIMIT: Final = 64 * 1024
# A link that is off for a season still has a certificate to fetch the next one with.
RENEW_BEFORE: Final = dt.timedelta(days=120)
_COUNTRY: Final = re.compile(r"[A-Z]{2}|UNK")
_KEY_LENGTH: Final = 32
_MLKEM_LENGTH: Final = 1184


class EnrolmentRefused(HeadquartersError):
    """The file does not enrol a booth; nothing was changed."""

    usual_advice = "Run `failsafe keys init` at the booth again and bring the new file whole."


def read_enrolment(content: bytes) -> Enrolment:
    """The enrolment in a file, its form and its proof checked.

    Raises:
        EnrolmentRefused: it is not one, or its proof does not hold.
    """
    if len(content) > ENROLMENT_LIMIT:
        raise EnrolmentRefused("The file is too long for an enrolment.")
    try:
        enrolment = msgspec.json.decode(content, type=Enrolment)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EnrolmentRefused("The file is no enrolment that this version reads.") from error
    if not BOOTH_ID.fullmatch(enrolment.booth):
        raise EnrolmentRefused("The booth's id is not 2 to 32 capital letters, digits and hyphens.")
    if not _COUNTRY.fullmatch(enrolment.country):
        raise EnrolmentRefused("The booth's country is no two-letter code.")
    lengths = (len(enrolment.signing), len(enrolment.seal.mlkem), len(enrolment.seal.x25519))
    if lengths != (_KEY_LENGTH, _MLKEM_LENGTH, _KEY_LENGTH):
        raise EnrolmentRefused("A key in the file has the wrong length.")
    try:
        seal.check_enrolment(enrolment)
        # One key that cannot be sealed to would stop every later publication.
        seal.seal(b"", enrolment.seal, purpose="enrolment", booth=enrolment.booth, about="trial")
    except Unsigned as error:
        raise EnrolmentRefused("The proof in the file does not fit its keys: the file was changed.") from error
    except ValueError as error:
        raise EnrolmentRefused("Nothing can be sealed to the key in the file.") from error
    return enrolment


def fingerprint(enrolment: Enrolment) -> str:
    """What operator and technician compare by telephone: eight groups of four hexadecimal digits."""
    digits = hashlib.sha256(seal.enrolment_bytes(enrolment)).hexdigest()[:32]
    return " ".join(digits[start : start + 4] for start in range(0, 32, 4))


def enrol(
    content: bytes,
    register: Register,
    keys: KeyStore,
    repository: Repository,
    *,
    now: dt.datetime,
    renews: bool = False,
) -> tuple[Enrolment, Welcome]:
    """Check an enrolment file, sign the link's certificate and keep the booth.

    The booth gets its content key with the next publication. The same file once more renews the certificate; with
    `renews` a booth that takes part comes with new keys, and its old ones end.

    Raises:
        EnrolmentRefused: the file does not enrol a booth.
        BoothRefused: the register holds the id or the keys otherwise.
        HeadquartersError: keys or publication are not there.
    """
    enrolment = read_enrolment(content)
    register.check_keys(enrolment, renews=renews)
    root = repository.root_bytes()
    welcome = Welcome(
        booth=enrolment.booth,
        root=root,
        root_sha256=hashlib.sha256(root).hexdigest(),
        certificate=keys.authority.issue_certificate(enrolment.certificate_request, enrolment.booth, now=now),
        authority=keys.authority.certificate(),
    )
    register.enrol(enrolment, welcome, moment(now), renews=renews)
    return enrolment, welcome


def renew_certificates(register: Register, keys: KeyStore, *, now: dt.datetime) -> list[str]:
    """Give every link a new certificate whose present one ends soon or is of a former authority; the booths.

    A link fetches it from the server by itself and needs no visit while its old one counts.

    Raises:
        KeyMissing: the authority's key is not there.
    """
    renewed = []
    authority = keys.authority.certificate()
    for booth in register.booths():
        welcome = booth.welcome
        ends = x509.load_pem_x509_certificate(welcome.certificate.encode()).not_valid_after_utc
        is_old = ends - now < RENEW_BEFORE or not keys.authority.vouches_for(welcome.certificate)
        if booth.revoked_at is not None or not (is_old or welcome.authority != authority):
            continue
        certificate = welcome.certificate
        if is_old:
            request = booth.enrolment.certificate_request
            certificate = keys.authority.issue_certificate(request, booth.name, now=now)
        register.keep_welcome(msgspec.structs.replace(welcome, certificate=certificate, authority=authority))
        renewed.append(booth.name)
    return renewed


def welcome_bytes(welcome: Welcome) -> bytes:
    """`BOOTH.welcome.json` as the booth reads it."""
    return encode(welcome)
