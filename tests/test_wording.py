"""The catalogues hold what the pages say, and a sentence that the machine composes is found in them."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from babel.messages.catalog import Catalog

from failsafe.agent import fusion
from failsafe.agent.page.view import EntryRefused, ManualEntry
from failsafe.agent.page.words import TABLES as FIRST_LINE_TABLES
from failsafe.agent.person.matching import compare_births
from failsafe.agent.radiation.passage import Health, advice
from failsafe.agent.traveller import from_entry
from failsafe.drivers import driver
from failsafe.drivers.driver import DriverError
from failsafe.drivers.line import LineWord
from failsafe.hq.ccc.words import TABLES as CCC_TABLES
from failsafe.screens.texts import texts as served_texts
from failsafe.sync import errors
from failsafe.sync.errors import Malformed, Older, StoreBroken, StoreDamaged, SyncError, WrongKey
from failsafe.sync.mirror import Change, Mirror
from failsafe.sync.reports import LinkState, LinkWord
from failsafe.sync.spool import Spool
from failsafe.sync.store import Migrations, Store, StoreSettings
from tests import wording
from tests.test_status import WELL

# Headquarters' own errors are told on its command line.
AT_THE_BOOTH = ("failsafe.agent", "failsafe.drivers", "failsafe.sync")
PLACE = re.compile(r"\{(\w+)\}")
FOUND = wording.extracted()


@pytest.fixture(params=wording.LANGUAGES_KEPT)
def catalog(request: pytest.FixtureRequest) -> Catalog:
    held = wording.read(request.param)
    assert held is not None, "make words"
    return held


def test_catalogues_hold_what_the_pages_say(catalog: Catalog) -> None:
    held = {one.id for one in catalog if one.id}
    assert held == set(FOUND), "make words"


def test_catalogue_is_written_as_it_would_be_written_again(catalog: Catalog) -> None:
    language = str(catalog.locale_identifier)
    again = wording.written(wording.merged(language, FOUND, catalog))
    assert (wording.LOCALE / f"{language}.po").read_bytes() == again, "make words"


def test_every_text_has_words(catalog: Catalog) -> None:
    assert wording.untranslated(catalog) == []


def test_values_of_a_text_stand_in_its_translation(catalog: Catalog) -> None:
    wrong = []
    for one in catalog:
        if not one.id or not one.string:
            continue
        whole = one.id if isinstance(one.id, str) else one.id[1]
        wanted = Counter(PLACE.findall(whole))
        forms = (one.string,) if isinstance(one.string, str) else one.string
        # A form for one, two or none may say the number in a word.
        free = {"n"} if one.pluralizable else set()
        for form in filter(None, forms):
            given = Counter(PLACE.findall(form))
            if {name for name in (wanted - given) | (given - wanted) if name not in free or given[name] > wanted[name]}:
                wrong.append(form)
    assert wrong == []


def test_arabic_has_the_six_forms_that_a_browser_asks_for() -> None:
    assert json.loads(served_texts("ar"))["plurals"] == {"zero": 0, "one": 1, "two": 2, "few": 3, "many": 4, "other": 5}
    assert json.loads(served_texts("fr"))["plurals"] == {"one": 0, "other": 1, "many": 1}


def test_scripts_ask_only_for_texts_that_are_written_out() -> None:
    calls = {
        f"{folder}/{file.name}": wording.unwritten_calls(file.read_text("utf-8"))
        for folder in wording.PAGES
        for file in (wording.HOUSE / folder).glob("*.js")
    }
    assert {name: found for name, found in calls.items() if found} == {}


# --- what the extraction finds, in small -------------------------------------------------------------------------


def test_html_gives_text_and_what_is_read_out_but_no_keys_and_no_names() -> None:
    html = (
        '<button title="Go on"><kbd>Esc</kbd>Leave\n  it</button><p translate="no">Fail Safe <b>Edge</b></p>'
        '<img alt="A shape"><code>x = yes</code><p>7</p><input placeholder="YYYY-MM-DD">'
    )
    assert wording.html_texts(html) == ["Go on", "Leave it", "A shape", "YYYY-MM-DD"]


def test_scripts_give_texts_plurals_and_those_within_a_template() -> None:
    script = b'// draw\nput(t("Lane {name}", { name }), `${t("now")}: ${tn("{n} hit", "{n} hits", n)}`);'
    assert list(wording.script_texts(script)) == ["Lane {name}", "now", ("{n} hit", "{n} hits")]
    assert wording.unwritten_calls('t("Lane"); tn(\n"a", "b", 2); put(t(word)); // t(this)') == ["t(word"]


def test_python_gives_sentences_with_places_and_no_log_lines() -> None:
    source = '''
"""A docstring is not for a screen."""
_log.info("The booth has said this.")
raise ValueError("A fault of our own code.")
raise Malformed(f"Feed {feed} is {'very' if x else 'a little'} old." " Ask again.")
say("Wait for " + name + ".")
KIND = "not a sentence"
db.execute("SELECT one FROM two WHERE three = ?")
'''
    assert list(wording.sentences(source)) == ["Feed {0} is {1} old. Ask again.", "very", "a little", "Wait for {0}."]


def test_tables_give_values_and_no_shapes() -> None:
    table = {"QUIET": ("CLEAR", "Quiet", "It is quiet."), "X": {"a": "STOP", "b": 7}}
    assert list(wording.table_texts(table)) == ["Quiet", "It is quiet.", "STOP"]


def test_merging_keeps_what_translators_wrote() -> None:
    held = Catalog(locale="fr")
    held.add("Wait.", string="Attendez.", user_comments=["the portal, not the traveller"])
    held.add("Gone.", string="Disparu.")
    held.add("{n} notice", string="un avis")
    new = wording.merged("fr", {"Wait.": {"a"}, ("{n} notice", "{n} notices"): {"b"}, "New.": {"c"}}, held)
    assert new.get("Wait.").string == "Attendez."
    assert new.get("Wait.").user_comments == ["the portal, not the traveller"]
    assert new.get("Gone.") is None
    assert sorted(wording.untranslated(new)) == ["New.", "{n} notice"]


# --- sentences of real code are found ----------------------------------------------------------------------------
# The page's rule (`tr` in screens/texts.js): known as it stands, by a template, or as sentences one after another.


def known(sentence: str) -> bool:
    """Whether the page would find every sentence of this text."""
    return not sentence or _whole(sentence) or _in_parts(sentence)


def _whole(sentence: str) -> bool:
    if sentence in FOUND:
        return True
    return any(pattern.fullmatch(sentence) for pattern in _PATTERNS)


def _in_parts(sentence: str) -> bool:
    ends = [found.start() + 1 for found in re.finditer(r"[.!?:;] ", sentence)]
    return any(_whole(sentence[:end]) and known(sentence[end + 1 :]) for end in reversed(ends))


_VALUE = r"(?:(?![.!?] ).)*?"
_PATTERNS = [
    re.compile(_VALUE.join(re.escape(part) for part in re.split(r"\{\d+\}", text)), re.DOTALL)
    for text in FOUND
    if isinstance(text, str) and re.search(r"\{\d+\}", text)
]


def refused(act: Callable[[], object], kind: type[Exception]) -> Exception:
    with pytest.raises(kind) as caught:
        act()
    return caught.value


def entry(**typed: str) -> ManualEntry:
    return ManualEntry(lane="north", **typed)


@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"surname": "EXEMPLARI", "birth_date": "yesterday"},
        {"surname": "EXEMPLARI", "sex": "Q"},
        {"zone": "ABC"},
        {"surname": "EXEMPLARI", "nationality": "FRANCE"},
        {"surname": "EXEMPLARI", "issuing_state": "1"},
    ],
)
def test_what_an_entry_is_refused_for_is_found(typed: dict[str, str]) -> None:
    fault = refused(lambda: from_entry(entry(**typed), 2026), EntryRefused)
    assert known(str(fault))


def test_errors_of_the_wire_are_found_with_their_advice(tmp_path: Path) -> None:
    faults = [refused(lambda: Spool(tmp_path / "nowhere").read("timestamp.json", 100), SyncError)]
    faults.append(refused(lambda: Spool(tmp_path).read("../elsewhere", 100), Malformed))
    for fault in faults:
        assert isinstance(fault, SyncError)
        assert known(fault.detail), fault.detail
        assert known(fault.advice), fault.advice
        assert known(f"{fault.detail} {fault.advice}")


def test_advice_of_every_error_is_found() -> None:
    classes: list[type[SyncError] | type[DriverError]] = [SyncError, DriverError]
    for one in classes:
        assert known(one.usual_advice), one
        classes += [
            kind for kind in one.__subclasses__() if kind not in classes and kind.__module__.startswith(AT_THE_BOOTH)
        ]


def test_notes_of_a_verdict_are_found() -> None:
    assert known(fusion.NOT_MONITORED) and known(fusion.NOT_RECORDED)
    assert known(f"{fusion.age_note(93_900.0, stale=True)} Radiation not monitored.")


def test_reasons_of_a_match_are_found() -> None:
    births = ("1970-02-03", "1970-03-02", "1970-02", "1970", "1971", "1972", "1966", "")
    whys = {compare_births("1970-02-03", birth)[1] for birth in births}
    assert len(whys) == len(births)
    assert all(known(why) for why in whys), whys


# --- what real code says is found whole, and so is what it puts in -----------------------------------------------
# A value that is no text of ours (a name of a file, a feed, a device) must be named by the test.


def left_in_english(sentence: str, *names: str) -> list[str]:
    """What of a sentence would stay English on the page, beside names and figures."""
    if not sentence or sentence in FOUND or sentence in names or not re.search(r"[^\W\d_]{2}", sentence):
        return []
    for pattern in _PLACES:
        if found := pattern.fullmatch(sentence):
            return [left for value in found.groups() for left in left_in_english(value, *names)]
    for end in reversed([found.start() + 1 for found in re.finditer(r"[.!?:;] ", sentence)]):
        if _whole(sentence[:end]):
            return left_in_english(sentence[:end], *names) + left_in_english(sentence[end + 1 :], *names)
    return [sentence]


# As `templates` in screens/texts.js has them: the most telling first.
_PLACES = [
    re.compile(_VALUE.join(map(re.escape, re.split(r"\{\d+\}", text))).replace(_VALUE, f"({_VALUE})"), re.DOTALL)
    for text in sorted(
        (text for text in FOUND if isinstance(text, str) and re.search(r"\{\d+\}", text)),
        key=lambda text: len(re.sub(r"\{\d+\}", "", text)),
        reverse=True,
    )
]


def told(fault: SyncError) -> list[str]:
    """What the head of the page says of it."""
    return left_in_english(f"{fault.detail} {fault.advice}", "kept.db", "base")


def test_a_store_that_fails_speaks_every_language(tmp_path: Path) -> None:
    path, key = tmp_path / "kept.db", bytes(32)
    tables = Migrations("kept")

    def opened(path: Path, key: bytes) -> Store:
        return Store.open(path, key, StoreSettings(wait_ms=1), tables)

    faults = [refused(lambda: opened(tmp_path / "nowhere" / "kept.db", key), StoreBroken)]
    faults.append(refused(lambda: opened(path, key[1:]), WrongKey))
    (tmp_path / "link" / "kept.db").mkdir(parents=True)
    faults.append(refused(lambda: opened(tmp_path / "link" / "kept.db", key), StoreBroken))
    with closing(opened(path, key)) as one, closing(opened(path, key)) as other:
        one.run("CREATE TABLE line (text TEXT)")
        with one.transaction():
            faults.append(refused(lambda: other.run("INSERT INTO line VALUES ('x')"), StoreBroken))
        other.row("PRAGMA query_only = 1")
        faults.append(refused(lambda: other.run("INSERT INTO line VALUES ('x')"), StoreBroken))
        one.row("PRAGMA max_page_count = 1")
        faults.append(refused(lambda: one.run("INSERT INTO line VALUES (?)", ("x" * 100_000,)), StoreBroken))
    faults.append(refused(lambda: opened(path, bytes(31) + b"x"), WrongKey))
    path.write_bytes(path.read_bytes()[:4096] + bytes(4096))
    with closing(opened(path, key)) as damaged:
        faults.append(refused(damaged.check, StoreDamaged))
    said = [fault.detail for fault in faults if isinstance(fault, SyncError)]
    assert "kept.db has no room left." in said and "kept.db is held by another process." in said
    assert "kept.db cannot be written." in said and len(set(said)) == len(faults) == 8
    assert {fault.detail: told(fault) for fault in faults if isinstance(fault, SyncError) and told(fault)} == {}


def test_a_step_of_a_feed_that_is_refused_speaks_every_language(tmp_path: Path) -> None:
    first = Change("base", "one", 5, None, 1, 0, 0, 0.0, (), {})
    steps = (
        replace(first, serial=4),
        replace(first, serial=8, base_serial=7),
        replace(first, serial=6, base_serial=5, lineage="two"),
        replace(first, serial=6, count=9),
    )
    with Mirror.open(tmp_path / "mirror.db", bytes(32)) as mirror:
        unheld = refused(lambda: mirror.apply(steps[1], lambda _: ()), Malformed)
        mirror.apply(first, lambda _: ())
        faults = [unheld, *(refused(partial(mirror.apply, step, lambda _: ()), SyncError) for step in steps)]
    assert len({str(fault) for fault in faults}) == 5
    assert [told(fault) for fault in faults if isinstance(fault, SyncError)] == [[]] * 5


@pytest.mark.parametrize("state", ["tls-refused", "hq-refuses", "feed-refused"])
def test_what_the_booth_says_of_itself_speaks_every_language(state: LinkWord) -> None:
    fault = Older("Feed base serial 4 comes after 5 was accepted.")
    link = LinkState(state=state, since="", detail=f"{fault.detail} {fault.advice}")
    broken = StoreBroken("")
    poor = replace(
        WELL,
        link=link,
        link_floods=True,
        own_fault=True,
        stands_still=True,
        clock_trusted=False,
        mirror="EMPTY",
        detectors=(),
    )
    worst = replace(poor, ledger_fault=broken, tray_fault=broken, mirror_fault=broken)
    said = [*worst.faults(), *poor.readiness().why, *replace(WELL, mirror="STALE", refusal=fault).readiness().why]
    assert len(said) > 10
    assert [left for text in said for left in left_in_english(text, "base", "1", "portal-1")] == []


def test_notes_and_advice_of_every_state_speak_every_language() -> None:
    every = product(*map(get_args, (fusion.Person, fusion.Listed, fusion.Radiation, fusion.MirrorState)), (True, False))
    said = {
        note
        for person, listed, radiation, mirror, recording in every
        for note in fusion.judge(
            fusion.Findings(
                person=person,
                listed=listed,
                radiation=radiation,
                mirror=mirror,
                mirror_age_s=93_900.0,
                recording=recording,
                hint_only=person == "none",
            )
        ).notes
    } | {advice(health) for health in get_args(Health) if health != "OK"}
    assert len(said) > 15
    assert [left for text in said for left in left_in_english(text)] == []


@pytest.mark.parametrize("tables", [FIRST_LINE_TABLES, CCC_TABLES], ids=["officer", "command centre"])
def test_every_state_of_a_device_has_words(tables: dict[str, dict[str, object]]) -> None:
    assert {"STARTING", *get_args(Health), *get_args(LineWord)} <= tables["DETECTORS"].keys()


# Modules whose errors are told on a command line.
ON_A_TERMINAL = frozenset({"sync/courier.py", "sync/mailbag.py"})


def test_no_error_of_a_room_is_raised_in_words_that_nobody_looks_for() -> None:
    """A module that begins to speak to a page is named in wording.SPEAKERS."""
    kinds = {"EntryRefused", "FindingRefused", "SyncError", "DriverError"}
    for one in (errors, driver):
        kinds |= {name for name, kind in vars(one).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    unknown = []
    for room in ("agent", "agent/page", "sync", "drivers"):
        for file in sorted((wording.HOUSE / room).glob("*.py")):
            name = f"{room}/{file.name}"
            calls = (one for one in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(one, ast.Call))
            for call in calls if name not in ON_A_TERMINAL else ():
                if isinstance(call.func, ast.Name) and call.func.id in kinds:
                    texts = [text for one in call.args[:2] if (text := wording.template(one))]
                    unknown += [(name, text) for text in texts if text.endswith((".", "?")) and not known(text)]
    assert unknown == []


def test_what_nobody_wrote_is_not_found() -> None:
    assert left_in_english("The nationality of 7 is unheard of.") == ["The nationality of 7 is unheard of."]
    assert left_in_english("base has no room left.") == ["base"]
    assert not known("This sentence stands in no source file.")
    assert not known("Radiation not monitored. This sentence stands in no source file.")
