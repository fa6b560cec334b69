"""Every code of an alert and of a booth in words for the command centre; the page gets them as `/words.js`.

A code that is missing here is shown as it came: the page never drops what it does not know. Where a row begins with
a shape, it is one of the five that draw.js knows (STOP square, CHECK triangle, CLEAR circle, CANNOT CLEAR dashed
frame, NONE dot). The other strings are texts: the page shows them in its language.
"""

from __future__ import annotations

from typing import Final

from failsafe.screens.words import SHARED

URGENCIES: Final = {"urgent": ("STOP", "URGENT"), "routine": ("NONE", "Routine")}
GRADES: Final = {"strong": ("STOP", "Strong candidate"), "possible": ("CHECK", "Possible candidate")}
SOURCES: Final = {"zone": "Read from the document", "manual": "Entered by hand"}
RADIATION_CHANNELS: Final = {"gamma": "Gamma", "neutron": "Neutrons"}
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
    "CHECKING": (
        "NONE",
        "being checked",
        "It has started and reads its notices through; until that is done it finds who is sought and clears nobody. "
        "Telephone it if it goes on for longer than some minutes.",
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
# Whether a booth has signed that nothing is left of what was withdrawn or has expired.
PURGES: Final = {
    "confirmed": ("CLEAR", "purged"),
    "owed": ("CHECK", "not confirmed"),
    "doubtful": ("STOP", "IN DOUBT"),
    "nothing removed": ("NONE", "none withdrawn"),
}
# Parts of a booth whose changes it records, beside its devices, which go by their own names.
PARTS: Final = {
    "mirror": "Notices held",
    "feed": "Feed",
    "clock": "Clock",
    "ledger": "Ledger",
    "mirror key": "Key of the notices",
    "ledger key": "Key of the ledger",
    "spool": "Spool",
    "booth": "The booth’s program",
}
# What changed at a booth, beside the states of detectors and mirrors.
CONDITIONS: Final = {
    "NOT TRUSTED": ("CANNOT CLEAR", "not trusted"),
    "CANNOT RECORD": ("CANNOT CLEAR", "cannot record"),
    "DAMAGED": ("CANNOT CLEAR", "damaged"),
    "FAULT": ("CANNOT CLEAR", "a fault of its own"),
    "FLOODED": ("CHECK", "flooded by the link"),
    "unknown": ("NONE", "not known"),
    # Of a background and of a device's set-up.
    "stored": ("NONE", "stored"),
    "stored anew": ("NONE", "stored anew"),
    "changed": ("NONE", "changed"),
    "accepted": ("NONE", "accepted"),
}
CHANNELS: Final = {"webhook": "Webhook", "e-mail": "E-mail"}

TABLES: Final = {
    **SHARED,
    "URGENCIES": URGENCIES,
    "GRADES": GRADES,
    "SOURCES": SOURCES,
    "RADIATION_CHANNELS": RADIATION_CHANNELS,
    "MIRRORS": MIRRORS,
    "LEDGERS": LEDGERS,
    "REVOKED": REVOKED,
    "CHAINS": CHAINS,
    "TELLINGS": TELLINGS,
    "PURGES": PURGES,
    "PARTS": PARTS,
    "CONDITIONS": CONDITIONS,
    "CHANNELS": CHANNELS,
}
