"""A headquarters, and a web and a mail server on loopback that do as they should."""

from __future__ import annotations

import pytest

from tests.cbrne.house import House
from tests.programme_side import MailServer, WebServer, closing


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "hq")
    yield made
    made.engine.dispose()


@pytest.fixture
def web():
    with closing(WebServer()) as server:
        yield server


@pytest.fixture
def mail(house):
    with closing(MailServer(house.authority)) as server:
        yield server
