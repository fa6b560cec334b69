"""Every record is looked at by msgspec before threads are: its first look is not safe among them."""

from __future__ import annotations

import subprocess
import sys

_ASK = """
import importlib, pkgutil, sys
import msgspec
import failsafe.sync, failsafe.hq.desk, failsafe.hq.feeds, failsafe.hq.keyring
for room in (failsafe.sync, failsafe.hq, failsafe.hq.keyring, failsafe.hq.feeds, failsafe.hq.desk):
    for module in pkgutil.iter_modules(room.__path__, room.__name__ + "."):
        importlib.import_module(module.name)
from failsafe.sync import roll
from failsafe.sync.records import Record

def below(kind):
    for one in kind.__subclasses__():
        yield one
        yield from below(one)

kinds = [*below(Record), roll.Roll, roll.Portion, roll.Supplement]
looked = []

def watch(frame, event, _):
    if frame.f_code.co_name == "get_class_annotations":
        looked.append(frame)

sys.setprofile(watch)
for kind in kinds:
    looked.clear()
    msgspec.json.Decoder(kind)
    if looked:
        print(kind.__module__, kind.__name__)
looked.clear()
msgspec.json.Decoder(msgspec.defstruct("Unknown", ["field"]))
print(len(kinds), bool(looked))
"""


def test_no_record_is_first_looked_at_where_threads_are() -> None:
    asked = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=True)
    *unknown, (number, sees) = [line.split() for line in asked.stdout.splitlines()]
    assert int(number) > 40 and sees == "True" and not unknown
