"""Notices and listed documents as bureaus send them, read into the house's records. Pure.

The shape is that of the public notices service, with the fields of UN notices and a block `fse` for what Operation
Fail Safe adds (programme, materials, restrictions). A file is JSON Lines, a list, the service's envelope
(`_embedded.notices`) or one object. What the data is known to do is in the tests: given names of "-", dates with a
zero month, heights of 0 or "None", lists that are null, countries that are none, hair colours long abolished.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from failsafe.sync.fields import Fault, Findings, Part, has_latin, objects
from failsafe.sync.records import (
    Description,
    IdentityDocument,
    ListedDocument,
    NameKind,
    Notice,
    PersonName,
    Sex,
    Tier,
)

SCHEMA: Final = 1
EYES: Final = frozenset(("BLA", "BLU", "BLUL", "BRO", "BROD", "BROH", "BROL", "GRE", "GRY", "OTHC", "OTHD", "OTHL"))
HAIR: Final = frozenset(("BLA", "BRO", "BROF", "GRY", "GRYG", "HAIB", "HAID", "OTHD", "RED", "REDA", "WHI", "YELB"))
_FORMER_EYES: Final = {"BLK": "BLA"}
_FORMER_HAIR: Final = {"YELBD": "YELB", "BROL": "YELB", "BLK": "BLA"}
_LONGEST_NUMBER: Final = 64
_ENTITY_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_.:-]{0,63}")
_DASHED_ID: Final = re.compile(r"(\d{4})-(\d+)")
_COLOUR_IN_PATH: Final = re.compile(r"/([a-z]+)/[^/]+/?$")
_SEXES: Final[tuple[Sex, ...]] = get_args(Sex)
_QUALIFICATIONS: Final[Mapping[str, NameKind]] = {"good": "good_alias", "low": "low_alias"}
_COLOURS: Final[tuple[Tier, ...]] = tuple(tier for tier in get_args(Tier) if tier != "rn")
# Fields of the public shape that are passed over in silence: relatives and associates are not the subject.
_LEFT_OUT: Final = frozenset(
    ("kind", "_embedded", "associates", "father_forename", "father_name", "mother_forename", "mother_name")
)
_READ: Final = frozenset(
    (
        *("entity_id", "notice_type", "_links", "fse"),
        *("name", "forename", "name_at_birth", "name_in_original_script", "forename_in_original_script", "aliases"),
        *("sex_id", "date_of_birth", "place_of_birth", "country_of_birth_id", "nationalities", "profession"),
        *("height", "weight", "eyes_colors_id", "hairs_id", "distinguishing_marks", "languages_spoken_ids"),
        *("identity_documents", "purposes", "summary", "additional_information", "arrest_warrants"),
    )
)


@dataclass(frozen=True, slots=True)
class Restrictions:
    """Which countries may hold a notice: all but `deny`, or only `allow` where it is not None."""

    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] | None = None

    @property
    def none(self) -> bool:
        """Whether every country may hold the notice."""
        return not self.deny and self.allow is None


@dataclass(frozen=True, slots=True)
class Entry:
    """A notice of the file, with what decides who may hold it and the line it stands on."""

    notice: Notice
    restrictions: Restrictions = Restrictions()
    line: int = 0


class FaultyNotices(Exception):
    """A file of notices is not used, since lines of it are wrong; `faults` are all that were found."""

    def __init__(self, name: str, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(f"{name}: {fault}" for fault in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file holds. Nothing with a fault is among the notices; `remarks` keep nothing out."""

    notices: tuple[Entry, ...] = ()
    listed: tuple[ListedDocument, ...] = ()
    withdrawn: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    remarks: tuple[Fault, ...] = ()


@dataclass(slots=True)
class _Pile:
    """What has been read so far, and on which line each id stood first."""

    notices: list[Entry] = field(default_factory=list)
    listed: list[ListedDocument] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    remarks: list[Fault] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)


def canonical_id(entity_id: str) -> str:
    """An id as the register keeps it: the dash of addresses ("2026-99002") becomes a slash."""
    found = _DASHED_ID.fullmatch(entity_id.strip())
    return f"{found[1]}/{found[2]}" if found else entity_id.strip()


def read(text: str) -> Reading:
    """Everything a file holds, with every fault of every line.

    Args:
        text: the whole file: JSON Lines, a list, an envelope or one object; a byte order mark is passed over.
    """
    pile = _Pile()
    for line, found in objects(text.removeprefix("\ufeff")):
        if isinstance(found, Fault):
            pile.faults.append(found)
        elif isinstance(found, dict):
            _add(pile, found, line)
        else:
            pile.faults.append(Fault(line, "", "This is no notice.", "Write an object in braces."))
    return Reading(
        notices=tuple(pile.notices),
        listed=tuple(pile.listed),
        withdrawn=tuple(pile.withdrawn),
        faults=tuple(pile.faults),
        remarks=tuple(pile.remarks),
    )


# --- one object ----------------------------------------------------------------------------------------------


def _add(pile: _Pile, fields: dict[str, object], line: int) -> None:
    findings = Findings(line)
    part = Part(fields, findings)
    if fields.get("kind") == "listed_document" or ("entity_id" not in fields and "number" in fields):
        _add_listed(pile, part)
    elif fields.get("kind") not in (None, "notice"):
        part.fault("kind", "This kind is not known.", "Write listed_document, or leave the field out for a notice.")
    else:
        _add_notice(pile, part)
    pile.faults += findings.faults
    pile.remarks += findings.remarks


def _add_notice(pile: _Pile, part: Part) -> None:
    entity_id = _entity_id(part)
    part.findings.entity_id = entity_id or None
    _check_once(pile, part, "entity_id", entity_id)
    block = part.part("fse")
    if block is not None and _is_withdrawn(block):
        if not part.findings.faults:
            pile.withdrawn.append(entity_id)
        return
    entry = Entry(_notice(part, block, entity_id), _restrictions(block), part.findings.line)
    if not part.findings.faults:
        pile.notices.append(entry)


def _add_listed(pile: _Pile, part: Part) -> None:
    number, country = part.text("number"), part.country("issuing_country_id")
    kind = (part.text("document_type") or "unknown").lower()
    if number is None or len(number) > _LONGEST_NUMBER or not has_latin(number):
        part.fault("number", "A listed document has no usable number.", "Write the number as printed.")
    if country is None and part.text("issuing_country_id") is None:
        part.fault("issuing_country_id", "A listed document has no issuing country.", "Write its two-letter code.")
    fraud = (part.text("fraud_type") or "unknown").lower()
    if number is None or country is None or part.findings.faults:
        return
    number = "".join(number.split()).upper()
    _check_once(pile, part, "number", f"{number}\0{country}\0{kind}")
    if not part.findings.faults:
        document = ListedDocument(number=number, issuing_country=country, document_type=kind, fraud_type=fraud)
        pile.listed.append(document)


def _check_once(pile: _Pile, part: Part, name: str, key: str) -> None:
    first = pile.lines.get(key)
    if first is not None:
        part.fault(name, f"It stands in this file before, on line {first}.", "Keep one of the two.")
    elif key:
        pile.lines[key] = part.findings.line


def _entity_id(part: Part) -> str:
    found = part.text("entity_id")
    if found is None and part.findings.faults:
        return ""
    if found is None:
        part.fault("entity_id", "The notice has no id.", "Write its entity_id, as 2026/99002.")
    elif not _ENTITY_ID.fullmatch(found):
        part.fault("entity_id", "The id has an unusual character or length.", "Write it as 2026/99002.")
    else:
        return canonical_id(found)
    return ""


def _is_withdrawn(block: Part) -> bool:
    operation = (block.text("op") or "upsert").lower()
    if operation not in ("upsert", "withdraw"):
        block.fault("op", "This operation is not known.", "Write upsert or withdraw.")
    return operation == "withdraw" or block.moment("withdrawn_at") is not None


def _notice(part: Part, block: Part | None, entity_id: str) -> Notice:
    """The notice of a line; of no use where the line has a fault."""
    _remark_unread(part)
    aliases = tuple(part.parts("aliases"))
    births = (part.date("date_of_birth"), *(alias.date("date_of_birth") for alias in aliases))
    fse = block or Part({}, part.findings, "fse.")
    _check_schema(fse)
    return Notice(
        entity_id=entity_id,
        tier=_tier(part, fse),
        names=_names(part, aliases),
        sex=_sex(part),
        births=tuple(dict.fromkeys(birth for birth in births if birth is not None)),
        nationalities=part.countries("nationalities"),
        birth_country=part.country("country_of_birth_id"),
        birth_place=part.text("place_of_birth"),
        documents=tuple(_documents(part)),
        description=_description(part),
        purposes=part.texts("purposes"),
        summary=_joined(part.text("summary"), part.text("additional_information")),
        materials=fse.texts("materials"),
        charges=tuple(_charges(part)),
        actions=fse.codes("officer_action"),
        issuer=_issuer(fse),
        handling=fse.text("handling"),
        published_at=fse.moment("published_at"),
        expires_at=fse.moment("expires_at"),
    )


def _remark_unread(part: Part) -> None:
    for name in sorted(part.fields.keys() - _READ - _LEFT_OUT):
        shown = name if name.isascii() and name.isidentifier() else "a field"
        part.findings.remark(shown[:40], "This field is not read.", "Compare its name with the notice shape.")


def _check_schema(fse: Part) -> None:
    if fse.fields.get("schema", SCHEMA) != SCHEMA:
        fse.fault("schema", "The block is of another version.", f"Write it in version {SCHEMA}, or update this desk.")


def _tier(part: Part, fse: Part) -> Tier:
    programme, topics = fse.texts("programme"), fse.texts("topics")
    if any(word.upper() == "RN" for word in programme) or any(topic.lower().startswith("rn_") for topic in topics):
        return "rn"
    colour = part.text("notice_type")
    place = "notice_type" if colour else "_links"
    found = (colour or _colour_of_links(part) or "").lower()
    for tier in _COLOURS:
        if found == tier:
            return tier
    part.fault(place, "The notice's colour is not known.", f"Write notice_type: {', '.join(_COLOURS).upper()}.")
    return "red"


def _colour_of_links(part: Part) -> str | None:
    links = part.part("_links")
    itself = links.part("self") if links else None
    found = _COLOUR_IN_PATH.search(itself.text("href") or "") if itself else None
    return found[1] if found else None


def _names(part: Part, aliases: tuple[Part, ...]) -> tuple[PersonName, ...]:
    """Every spelling, in the order main, original script, at birth, aliases; each once."""
    main = (part.name("name"), part.name("forename"))
    found = [_spelling("main", *main), _original(part, "main")]
    at_birth = part.name("name_at_birth")
    if at_birth is not None:
        found.append(_spelling("at_birth", at_birth, main[1]))
    for alias in aliases:
        kind = _qualification(alias)
        found += [_spelling(kind, alias.name("name"), alias.name("forename")), _original(alias, kind)]
    names = tuple(dict.fromkeys(name for name in found if name is not None))
    if not names:
        part.fault("name", "The notice names nobody.", "Write a name, a forename or an alias.")
    return names


def _spelling(kind: NameKind, surname: str | None, given: str | None, original: bool = False) -> PersonName | None:
    if surname is None and given is None:
        return None
    return PersonName(kind=kind, surname=surname, given=given, original_script=original)


def _original(part: Part, kind: NameKind) -> PersonName | None:
    surname, given = part.name("name_in_original_script"), part.name("forename_in_original_script")
    return _spelling(kind, surname, given, original=True)


def _qualification(alias: Part) -> NameKind:
    """An alias without a qualification counts as good: better one look too many."""
    word = (alias.text("qualification") or "good").lower()
    if word not in _QUALIFICATIONS:
        alias.fault("qualification", "This qualification is not known.", "Write Good or Low, or null.")
    return _QUALIFICATIONS.get(word, "good_alias")


def _sex(part: Part) -> Sex:
    word = (part.text("sex_id") or "U").upper()
    for sex in _SEXES:
        if word == sex:
            return sex
    part.fault("sex_id", "This is no sex of the notice shape.", "Write M, F or U.")
    return "U"


def _documents(part: Part) -> Iterator[IdentityDocument]:
    for document in part.parts("identity_documents"):
        number, country = document.text("nr"), document.country("issuing_country_id")
        if number is None:
            continue  # a document of which only the kind is known matches nothing
        if len(number) > _LONGEST_NUMBER or not has_latin(number):
            document.fault("nr", "This is no document number.", "Write the number as printed, or null.")
        yield IdentityDocument(number=" ".join(number.split()), type=document.text("type"), country=country)


def _description(part: Part) -> Description:
    return Description(
        height_m=part.measure("height", 0.3, 2.8, "metres"),
        weight_kg=part.measure("weight", 2, 500, "kilograms"),
        eyes=_colours(part, "eyes_colors_id", EYES, _FORMER_EYES),
        hair=_colours(part, "hairs_id", HAIR, _FORMER_HAIR),
        marks=part.text("distinguishing_marks"),
        languages=part.codes("languages_spoken_ids"),
        profession=part.text("profession"),
    )


def _colours(part: Part, name: str, known: frozenset[str], former: Mapping[str, str]) -> tuple[str, ...]:
    """Codes of eyes or hair; an unknown one stays as written, since no notice is lost for a colour of hair."""
    codes = tuple(dict.fromkeys(former.get(code, code) for code in part.codes(name)))
    for code in codes:
        if code not in known:
            part.findings.remark(name, f"The code {code} is not known.", f"Known are {', '.join(sorted(known))}.")
    return codes


def _charges(part: Part) -> Iterator[str]:
    for warrant in part.parts("arrest_warrants"):
        charge = _joined(warrant.text("charge"), warrant.text("charge_translation"))
        if charge is not None:
            yield charge


def _joined(*texts: str | None) -> str | None:
    return "\n".join(dict.fromkeys(text for text in texts if text is not None)) or None


def _issuer(fse: Part) -> str | None:
    issuer = fse.part("issuer")
    return issuer.country("ncb") if issuer else None


def _restrictions(block: Part | None) -> Restrictions:
    part = block.part("restrictions") if block else None
    if part is None:
        return Restrictions()
    deny = part.countries("deny_countries")
    allow = None if part.fields.get("allow_countries") is None else part.countries("allow_countries")
    if allow is not None and not set(allow) - set(deny):
        part.fault("allow_countries", "No country may hold this notice.", "Write null where every country may.")
    return Restrictions(deny, allow)
