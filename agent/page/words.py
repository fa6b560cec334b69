"""Every code the booth shows, in words for the officer: the page gets them as `/words.js`, a terminal may use them.

A code that is missing here is shown as it came: the page never drops what it does not know.
"""

from __future__ import annotations

from typing import Final

ACTIONS: Final = {
    "PROCEED": "Let the traveller proceed.",
    "WAIT_PORTAL": "Wait: the portal has not finished with this passage.",
    "REREAD": "Read the document again, or enter it by hand (M).",
    "REFER_SECONDARY": "Refer the traveller to second line.",
    "RADIATION_SCREEN": "Screen traveller, luggage and vehicle for radiation.",
    "NOTIFY_CCC": "Notify the command centre (CCC).",
    "DO_NOT_DETAIN_ON_NOTICE_ALONE": "Do not detain on the notice alone.",
    "TELEPHONE_CCC": "Telephone the command centre (CCC) now.",
}

# The verdict's words; beside a translation the English word stays, for radio and telephone.
VERDICTS: Final = {"STOP": "STOP", "CHECK": "CHECK", "CLEAR": "CLEAR", "CANNOT CLEAR": "CANNOT CLEAR"}

# State -> the verdict's word whose shape marks it (NONE: a plain dot), and what is said beside the shape.
RADIATION: Final = {
    "quiet": ("CLEAR", "Quiet", "The passage ended without an alarm."),
    "none declared": ("NONE", "No detector on this lane", "Verdicts here are about the person only."),
    "awaited": ("NONE", "Awaiting the portal", "The passage has not ended yet."),
    "alarm": ("STOP", "ALARM", "Radiation passed with this traveller or vehicle."),
    "not monitored": ("CANNOT CLEAR", "Not monitored", "No detector vouches for this passage."),
}
MIRROR: Final = {
    "FRESH": ("CLEAR", "current"),
    "STALE": ("CHECK", "ageing"),
    "EXPIRED": ("CANNOT CLEAR", "EXPIRED"),
    "EMPTY": ("CANNOT CLEAR", "NONE HELD"),
    "UNKNOWN": ("CANNOT CLEAR", "AGE UNKNOWN"),
}
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
    # Of the line to a device (`LineWord`), and before it has said anything.
    "STARTING": ("NONE", "starting"),
    "ABSENT": ("CANNOT CLEAR", "not connected"),
    "LOCKED": ("CANNOT CLEAR", "in use by another program"),
    "DENIED": ("CANNOT CLEAR", "access denied"),
    "LOST": ("CHECK", "connection lost"),
}
# The link's own word (`LinkWord`) -> the same; it is shown and never acted on.
LINK: Final = {
    "starting": ("NONE", "starting"),
    "up": ("CLEAR", "connected"),
    "down": ("CHECK", "no connection"),
    "tls-refused": ("CHECK", "certificate refused"),
    "hq-refuses": ("CHECK", "headquarters refuses"),
    "feed-refused": ("CHECK", "publication refused"),
    "stopped": ("CHECK", "stopped"),
}

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
# What was done to a listed document.
FRAUDS: Final = {
    "stolen": "stolen",
    "lost": "lost",
    "revoked": "revoked",
    "invalidated": "declared invalid",
    "stolen blank": "stolen blank",
    "unknown": "reason not known",
}
# Kinds of alerts.
KINDS: Final = {
    "notice_hit": "Notice hit",
    "listed_document": "Listed document",
    "radiation_alarm": "Radiation alarm",
    "person_and_radiation": "Person and radiation",
    "exercise": "Exercise",
}
GRADES: Final = {"strong": "Strong candidate", "possible": "Possible candidate"}
NAME_KINDS: Final = {
    "main": "Name",
    "at_birth": "Name at birth",
    "good_alias": "Alias",
    "low_alias": "Alias, low quality",
}
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
SEXES: Final = {"M": "Male", "F": "Female", "X": "Unspecified", "U": "Unknown"}
# INTERPOL's issuing bodies that are no country; countries themselves the browser names.
BODIES: Final = {
    "914": "International Criminal Court",
    "916": "Special Tribunal for Lebanon",
    "922": "UN IRMCT",
    "UNK": "Kosovo (UNMIK)",
}
# Codes of eyes and hair in the public notice shape; BROL means light brown of eyes and blond of hair.
EYES: Final = {
    "BLA": "black",
    "BLU": "blue",
    "BLUL": "light blue",
    "BRO": "brown",
    "BROD": "dark brown",
    "BROH": "hazel",
    "BROL": "light brown",
    "GRE": "green",
    "GRY": "grey",
    "OTHC": "of different colours",
    "OTHD": "dark",
    "OTHL": "light",
}
HAIR: Final = {
    "BLA": "black",
    "BRO": "brown",
    "BROF": "fair",
    "BROL": "blond",
    "GRY": "grey",
    "GRYG": "greying",
    "HAIB": "bald",
    "HAID": "dyed",
    "OTHD": "dark",
    "RED": "red",
    "REDA": "auburn",
    "WHI": "white",
    "YELB": "blond",
    "YELBD": "blond",
}

TABLES: Final = {
    "ACTIONS": ACTIONS,
    "VERDICTS": VERDICTS,
    "RADIATION": RADIATION,
    "MIRROR": MIRROR,
    "DETECTORS": DETECTORS,
    "LINK": LINK,
    "TIERS": TIERS,
    "FRAUDS": FRAUDS,
    "KINDS": KINDS,
    "GRADES": GRADES,
    "NAME_KINDS": NAME_KINDS,
    "FIELDS": FIELDS,
    "SEXES": SEXES,
    "BODIES": BODIES,
    "EYES": EYES,
    "HAIR": HAIR,
}
