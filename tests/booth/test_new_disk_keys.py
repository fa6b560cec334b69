"""The databases' keys exchanged on an installed booth: sealed by the machine, put to use by a real restart."""

from __future__ import annotations

from typing import Any

from tests.booth.test_journey import assert_all_once

SEALED = "/etc/failsafe/credentials"
FITS = f"systemd-creds decrypt --name={{0}}.key {SEALED}/{{0}}.key - | /opt/failsafe/bin/failsafe keys fits {{0}}"


def held(status: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Serial and notices of each feed."""
    return {feed: (about["serial"], about["notices"]) for feed, about in status["mirror"]["feeds"].items()}


def test_an_operator_exchanges_them_and_nothing_is_lost(machine, lane):
    lane.present_wanted()
    before = machine.status()
    names = machine.inside("ls", SEALED).split()
    old = machine.inside("sha256sum", f"{SEALED}/mirror.key", f"{SEALED}/ledger.key")
    machine.booth("keys", "renew", "--disk", "--folder", "/etc/failsafe/keys")
    said = machine.inside("/srv/systemd/seal-keys")
    assert "The core is restarted" in said and "the old ones are destroyed" in said
    machine.await_ready()
    assert machine.inside("ls", SEALED).split() == names, "no next key is left"
    assert not machine.inside("ls", "/etc/failsafe/keys").split()
    assert machine.inside("sha256sum", f"{SEALED}/mirror.key", f"{SEALED}/ledger.key") != old
    for key in ("mirror", "ledger"):
        machine.inside("sh", "-c", FITS.format(key))
    assert held(machine.status()) == held(before)
    assert_all_once(machine)
    machine.cut_power()
    machine.boot()
    machine.await_ready()
    assert held(machine.status()) == held(before)
