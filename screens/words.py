"""Codes that both pages put into words: of verdicts, alerts, notices, persons, listed documents and devices.

Where a row begins with a shape, it is one of the five that draw.js knows (STOP square, CHECK triangle, CLEAR circle,
CANNOT CLEAR dashed frame, NONE dot). The other strings are texts: a page shows them in its language.
"""

from __future__ import annotations

from typing import Final

# The verdict's words; beside a translation the English word stays, for radio and telephone.
VERDICTS: Final = {"STOP": "STOP", "CHECK": "CHECK", "CLEAR": "CLEAR", "CANNOT CLEAR": "CANNOT CLEAR"}
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
# What second line took a radiation alarm for.
CATEGORIES: Final = {
    "norm": ("CHECK", "Natural radioactivity (NORM)"),
    "medical": ("CHECK", "Medical"),
    "industrial": ("STOP", "Industrial source"),
    "nuclear": ("STOP", "Nuclear material or neutrons"),
    "contaminated": ("STOP", "Contaminated goods"),
    "unknown": ("CANNOT CLEAR", "Not explained"),
    "instrument": ("CANNOT CLEAR", "Instrument fault"),
}
# How well a medical explanation fits its day; none of the three clears anybody.
EXPLAINED: Final = {
    "plausible": ("NONE", "Plausible: a portal may still see it after this time."),
    "unusual": ("CHECK", "Unusually late: a portal would see it only if the body had lost next to nothing."),
    "implausible": ("STOP", "NOT PLAUSIBLE: this does not explain the alarm."),
}
# The booth's own tests.
OWN_TESTS: Final = {
    "window": "counts of one second",
    "window of 1 s": "counts of one second",
    "window of 2 s": "counts of two seconds",
    "window of 4 s": "counts of four seconds",
    "window of 10 s": "counts of ten seconds",
    **{f"rate of {seconds} s": "count rate, counts a second" for seconds in (1, 2, 4, 10)},
    **{f"dose of {seconds} s": "dose rate, nSv/h" for seconds in (1, 2, 4, 10)},
    "sums": "running sum of counts",
    "contrast": "share of the panels",
    "filter": "course over time",
}
FIELDS: Final = {
    "whole_name": "Whole name",
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

SHARED: Final = {
    "VERDICTS": VERDICTS,
    "DETECTORS": DETECTORS,
    "TIERS": TIERS,
    "FRAUDS": FRAUDS,
    "KINDS": KINDS,
    "CATEGORIES": CATEGORIES,
    "EXPLAINED": EXPLAINED,
    "OWN_TESTS": OWN_TESTS,
    "FIELDS": FIELDS,
    "SEXES": SEXES,
    "BODIES": BODIES,
}
