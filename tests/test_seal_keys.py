"""`systemd/seal-keys` with the databases' next keys: the real systemd-creds, in mounts of its own.

The service manager is played: it gives the core its credentials decrypted, with a word where one is missing, and the
core's start is the real one.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from failsafe.agent.demo.house import program as find_program
from tests.conftest import PROJECT
from tests.test_disk_keys import Stock

CONFIGURATION = """
[booth]
id = "ZZ-TEST-01"
country = "ZZ"
crossing_point = "Invented Gate"
[hq]
root_sha256 = "{digest}"
[folders]
state = "{state}"
[[lanes]]
name = "1"
radiation = "none"
"""
SYSTEMCTL = """#!/bin/sh
set -eu
[ "$1 $2" = "try-restart failsafe-core" ]
[ ! -e "$WORK/stopped" ] || exit 0
given="$WORK/given"
rm -rf "$given" && mkdir -m 700 "$given"
for key in mirror.key ledger.key signing.key sealing.key next_mirror.key next_ledger.key; do
  if [ -e "/etc/failsafe/credentials/$key" ]; then
    systemd-creds decrypt --name="$key" "/etc/failsafe/credentials/$key" "$given/$key"
  else
    echo none >"$given/$key"
  fi
  chmod 400 "$given/$key"
done
CREDENTIALS_DIRECTORY="$given" "$PYTHON" -c '
import os, sys
from pathlib import Path
from failsafe.agent import disk_keys, keys
place = keys.folder("")
disk_keys.settle(keys.load(place), place, Path(os.environ["WORK"]) / "state")
'
"""
WITHIN = """
set -eu
mount -t tmpfs tmpfs /etc
mkdir "$WORK/machine"   # the machine's own key must not lie in memory
mount --bind "$WORK/machine" /var/lib/systemd
mount -t tmpfs tmpfs /run
mkdir -p /etc/failsafe
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
cp "$WORK/booth.toml" /etc/failsafe/booth.toml
cp -r "$WORK/keys" /etc/failsafe/keys
SEAL="$PROJECT/systemd/seal-keys"
fits() { systemd-creds decrypt --name="$1" "/etc/failsafe/credentials/$1" - | failsafe keys fits "$2"; }
refused() { if "$@"; then echo "was not refused: $*" >&2; exit 9; fi; }
sealed() { ls /etc/failsafe/credentials | tr '\\n' ' '; }
ALL="ledger.key link-tls.key mirror.key sealing.key signing.key "
"$SEAL"
fits mirror.key mirror
fits ledger.key ledger
"""


@pytest.fixture
def run(tmp_path: Path, own_mounts: list[str], missing_part: Callable[[str], None]) -> Callable[[str], str]:
    """Run a text of the shell behind `WITHIN`; what it said."""
    if shutil.which("systemd-creds") is None or shutil.which("shred") is None:
        missing_part("needs systemd-creds (systemd 250) and shred (coreutils)")
    Stock.made(tmp_path, notices=50)
    (tmp_path / "booth.toml").write_text(CONFIGURATION.format(digest="0" * 64, state=tmp_path / "state"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "bin" / "systemctl").chmod(0o755)
    (tmp_path / "bin" / "failsafe").write_text(f'#!/bin/sh\nexec {shlex.quote(find_program("failsafe"))} "$@"\n')
    (tmp_path / "bin" / "failsafe").chmod(0o755)
    environment = {
        "PATH": f"{tmp_path / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHON": sys.executable,
        "WORK": str(tmp_path),
        "PROJECT": str(PROJECT),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
    }

    def run(body: str) -> str:
        done = subprocess.run(
            [*own_mounts, "sh", "-c", WITHIN + body],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    return run


def test_next_keys_are_sealed_put_to_use_and_put_in_place(run: Callable[[str], str]) -> None:
    said = run("""
cp /etc/failsafe/credentials/mirror.key "$WORK/old-mirror.key"
failsafe keys renew --disk --folder /etc/failsafe/keys
"$SEAL"
[ "$(sealed)" = "$ALL" ]
[ -z "$(ls /etc/failsafe/keys)" ]
fits mirror.key mirror
fits ledger.key ledger
systemd-creds decrypt --name=mirror.key "$WORK/old-mirror.key" "$WORK/old"
refused failsafe keys fits mirror <"$WORK/old"
systemctl try-restart failsafe-core
fits mirror.key mirror
[ -z "$(ls /run)" ]
""")
    assert "restarted" in said and "the old ones are destroyed" in said


def test_a_core_that_was_not_restarted_keeps_both(run: Callable[[str], str]) -> None:
    """As a power cut behind the sealing leaves it: calling it again finishes."""
    said = run("""
failsafe keys renew --disk mirror --folder /etc/failsafe/keys
touch "$WORK/stopped"
refused "$SEAL"
[ "$(sealed)" = "ledger.key link-tls.key mirror.key next_mirror.key sealing.key signing.key " ]
fits mirror.key mirror
failsafe keys renew --disk mirror --folder /etc/failsafe/keys
refused "$SEAL"   # a second next key never takes the first one's place
rm "$WORK/stopped" /etc/failsafe/keys/next_mirror.key
systemctl try-restart failsafe-core
fits next_mirror.key mirror
ln /etc/failsafe/credentials/mirror.key /etc/failsafe/credentials/mirror.key.old   # cut off before the new one came
"$SEAL"
[ "$(sealed)" = "$ALL" ]
fits mirror.key mirror
""")
    assert "Not in force yet: mirror.key." in said and "may open a database" in said
