"""The catalogues hold what the pages say, and a sentence that the machine composes is found in them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from failsafe.agent import fusion
from failsafe.agent.matching import compare_births
from failsafe.agent.page.view import EntryRefused, ManualEntry
from failsafe.agent.traveller import from_entry
from failsafe.drivers.driver import DriverError
from failsafe.screens.texts import texts as served_texts
from failsafe.sync.errors import Malformed, SyncError
from failsafe.sync.spool import Spool
from tests import wording

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


def test_what_nobody_wrote_is_not_found() -> None:
    assert not known("This sentence stands in no source file.")
    assert not known("Radiation not monitored. This sentence stands in no source file.")
