"""N42 documents as others see them: NIST's schema through libxml2, and SpecUtils."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest


def _missing(name: str) -> None:
    """In continuous integration what is missing is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed.")
    pytest.skip(f"{name} is not installed: `make setup` brings it.")


class Read(NamedTuple):
    """One detector's counts in one measurement."""

    detector: str
    counts: float
    live_s: float
    occupied: bool


def violations(shared: Path, content: bytes) -> list[str]:
    """What NIST's schema of ANSI N42.42-2011 says against a document; nothing where it is valid."""
    try:
        from lxml import etree
    except ImportError:
        _missing("lxml")
    schema = _schema(shared / "data" / "n42" / "n42.xsd")
    parsed = etree.fromstring(content, etree.XMLParser(resolve_entities=False))
    return [] if schema.validate(parsed) else [error.message for error in schema.error_log]


@functools.cache
def _schema(path: Path) -> Any:
    from lxml import etree

    return etree.XMLSchema(etree.parse(path))


def specutils(path: Path) -> list[Read]:
    """What SpecUtils finds in a document, in the order in which it was written."""
    try:
        import SpecUtils
    except ImportError:
        _missing("sandiaspecutils")
    file = SpecUtils.SpecFile()
    file.loadFile(str(path), SpecUtils.ParserType.Auto, "")
    occupied = SpecUtils.OccupancyStatus.Occupied
    return [
        Read(
            # It gives a neutron detector the name of the gamma detector of the same place.
            one.detectorName().replace("gamma", "neutron") if one.containedNeutron() else one.detectorName(),
            one.neutronCountsSum() if one.containedNeutron() else one.gammaCountSum(),
            one.liveTime(),
            one.occupied() == occupied,
        )
        for one in file.measurements()
    ]
