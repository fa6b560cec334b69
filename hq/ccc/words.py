"""Every code of an alert and of a booth in words for the command centre; the page gets them as `/words.js`.

A code that is missing here is shown as it came: the page never drops what it does not know. Where a row begins with
a shape, it is one of the five that draw.js knows (STOP square, CHECK triangle, CLEAR circle, CANNOT CLEAR dashed
frame, NONE dot). The other strings are texts: the page shows them in its language.
"""

from __future__ import annotations

from typing import Final

KINDS: Final = {
    "notice_hit": "Notice hit",
    "listed_document": "Listed document",
    "radiation_alarm": "Radiation alarm",
    "person_and_radiation": "Person and radiation",
    "exercise": "Exercise",
}
VERDICTS: Final = {"STOP": "STOP", "CHECK": "CHECK", "CLEAR": "CLEAR", "CANNOT CLEAR": "CANNOT CLEAR"}
URGENCIES: Final = {"urgent": ("STOP", "URGENT"), "routine": ("NONE", "Routine")}
TIERS: Final = {
    "rn": "Radiological or nuclear",
    "red": "Red notice",
    "green": "Green notice",
    "blue": "Blue notice",
    "yellow": "Yellow notice",
    "black": "Black notice",
    "orange": "Orange notice",
    "purple": "Purple notice",
    "un": "UN special notice",
}
GRADES: Final = {"strong": ("STOP", "Strong candidate"), "possible": ("CHECK", "Possible candidate")}
FIELDS: Final = {
    "name": "Name",
    "surname": "Surname",
    "given": "Given names",
    "given_names": "Given names",
    "birth": "Date of birth",
    "birth_date": "Date of birth",
    "sex": "Sex",
    "nationality": "Nationality",
    "document": "Document number",
    "document_number": "Document number",
    "issuing_state": "Issuing state",
    "issuing_country": "Issuing country",
}
FRAUDS: Final = {
    "stolen": "stolen",
    "lost": "lost",
    "revoked": "revoked",
    "invalidated": "declared invalid",
    "stolen blank": "stolen blank",
    "unknown": "reason not known",
}
SEXES: Final = {"M": "Male", "F": "Female", "X": "Unspecified", "U": "Unknown"}
SOURCES: Final = {"zone": "Read from the document", "manual": "Entered by hand"}
# INTERPOL's issuing bodies that are no country; countries themselves the browser names.
BODIES: Final = {
    "914": "International Criminal Court",
    "916": "Special Tribunal for Lebanon",
    "922": "UN IRMCT",
    "UNK": "Kosovo (UNMIK)",
}
RADIATION_CHANNELS: Final = {"gamma": "Gamma", "neutron": "Neutrons"}
# Readers and portals alike.
DETECTORS: Final = {
    "OK": ("CLEAR", "OK"),
    "LATE": ("CHECK", "late"),
    "LINK_DOWN": ("CANNOT CLEAR", "no connection"),
    "HIGH_BG": ("CHECK", "background high"),
    "LOW_BG": ("CHECK", "background low"),
    "TAMPER": ("CHECK", "tampered with"),
    "DEVICE": ("CHECK", "device fault"),
    "UNKNOWN": ("CANNOT CLEAR", "not heard yet"),
    "STUCK": ("CHECK", "counts stand still"),
    "DISAGREE": ("CHECK", "contradicts itself"),
    "CONFIG_CHANGED": ("CHECK", "settings changed"),
    "UNCALIBRATED": ("CHECK", "not as calibrated"),
    # Of the line to a device, and before it has said anything.
    "STARTING": ("NONE", "starting"),
    "ABSENT": ("CANNOT CLEAR", "not connected"),
    "LOCKED": ("CANNOT CLEAR", "in use by another program"),
    "DENIED": ("CANNOT CLEAR", "access denied"),
    "LOST": ("CHECK", "connection lost"),
}
# State -> shape, word, what to do.
MIRRORS: Final = {
    "FRESH": ("CLEAR", "current", ""),
    "STALE": (
        "CHECK",
        "ageing",
        "Its notices grow old. See that its line is mended, or send a stick with a publication today.",
    ),
    "EXPIRED": (
        "CANNOT CLEAR",
        "EXPIRED",
        "Its notices are too old: it can clear nobody. Send a stick with a publication now, or mend its line.",
    ),
    "EMPTY": (
        "CANNOT CLEAR",
        "NONE HELD",
        "It holds no notices: it can clear nobody. Publish, then see that its line or a stick brings them.",
    ),
    "UNKNOWN": (
        "CANNOT CLEAR",
        "AGE UNKNOWN",
        "It does not know how old its notices are: it can clear nobody. Ask there whether its clock is right, and "
        "bring it a new publication.",
    ),
}
# What a heartbeat gave away of a booth's ledger -> what it means and what to do.
LEDGERS: Final = {
    "rewound ledger": "Its ledger has become shorter: its disk was put back or records were cut off. Visit the booth.",
    "rewritten ledger": "Its ledger holds other records than before: somebody has changed its disk. Visit the booth.",
}
REVOKED: Final = {
    "takes no part any more": "It was revoked and takes no part any more; what it sent before stays listed.",
}
# State -> shape, word, what it means and what to do.
CHAINS: Final = {
    "whole": ("CLEAR", "whole", "Every entry before this one in the booth's chain has arrived."),
    "gap before": (
        "CHECK",
        "gap before",
        "An entry before this one has not arrived. It may still be on its way; if the gap stays, ask the booth by "
        "telephone what it has raised.",
    ),
    "fork": (
        "STOP",
        "FORK",
        "The booth has signed two different entries for one place of its chain: its disk was put back, copied or "
        "tampered with. Take nothing from this booth for complete, and send the technician.",
    ),
}
TELLINGS: Final = {
    "not for CBRNE": ("NONE", "not for CBRNE", "The CBRNE programme is not told of alerts of this kind."),
    "waiting": ("CHECK", "waiting", "The CBRNE programme has not been told yet."),
    "sent": ("CLEAR", "sent", "The CBRNE programme has been told."),
    "failing": ("STOP", "FAILING", "The CBRNE programme cannot be reached this way: telephone it."),
}
CHANNELS: Final = {"webhook": "Webhook", "e-mail": "E-mail"}

TABLES: Final = {
    "KINDS": KINDS,
    "VERDICTS": VERDICTS,
    "URGENCIES": URGENCIES,
    "TIERS": TIERS,
    "GRADES": GRADES,
    "FIELDS": FIELDS,
    "FRAUDS": FRAUDS,
    "SEXES": SEXES,
    "SOURCES": SOURCES,
    "BODIES": BODIES,
    "RADIATION_CHANNELS": RADIATION_CHANNELS,
    "DETECTORS": DETECTORS,
    "MIRRORS": MIRRORS,
    "LEDGERS": LEDGERS,
    "REVOKED": REVOKED,
    "CHAINS": CHAINS,
    "TELLINGS": TELLINGS,
    "CHANNELS": CHANNELS,
}
