"""Every text that a person may read on one of the two pages, and the catalogues that hold it in other languages.

`make words` (`python -m tests.wording`) finds the texts where they are written and merges them into
`screens/locale/*.po`: translations and translators' comments stay, texts that are no longer used go. English is the
message id. Four kinds of place are looked into:

- HTML: text between tags and the attributes that are read out; not what stands in translate="no", <kbd> or <code>;
- JavaScript: the written-out first arguments of `t` and `tn`;
- the tables of words.py: every value that holds words;
- Python that composes English sentences: an f-string becomes a template with {0}, {1}; the page finds the template
  again (`tr` in screens/texts.js).
"""

from __future__ import annotations

import ast
import io
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_javascript
from babel.messages.pofile import read_po, write_po

from failsafe.agent.page.words import TABLES as FIRST_LINE_TABLES
from failsafe.hq.ccc.words import TABLES as CCC_TABLES
from failsafe.screens.texts import LANGUAGES
from failsafe.screens.words import SHARED

HOUSE: Final = Path(__file__).resolve().parent.parent
LOCALE: Final = HOUSE / "screens" / "locale"
LANGUAGES_KEPT: Final = tuple(one.code for one in LANGUAGES if one.code != "en")
PAGES: Final = ("agent/page", "hq/ccc", "screens")
TABLES: Final = {
    "agent/page/words.py": {name: table for name, table in FIRST_LINE_TABLES.items() if name not in SHARED},
    "hq/ccc/words.py": {name: table for name, table in CCC_TABLES.items() if name not in SHARED},
    "screens/words.py": SHARED,
}
# Modules whose sentences reach a page.
SPEAKERS: Final = (
    "agent/booth.py",
    "agent/bulletin.py",
    "agent/findings.py",
    "agent/fusion.py",
    "agent/health.py",
    "agent/knowledge.py",
    "agent/notices.py",
    "agent/post.py",
    "agent/radiation/passage.py",
    "agent/radiation/detector.py",
    "agent/receipts.py",
    "agent/recorder.py",
    "agent/traveller.py",
    "agent/tray.py",
    "agent/page/app.py",
    "agent/page/view.py",
    "drivers/driver.py",
    "drivers/elyctis.py",
    "drivers/line.py",
    "drivers/relayed.py",
    "hq/cbrne/channels.py",
    "hq/cbrne/notify.py",
    "hq/ccc/app.py",
    "screens/gate.py",
    "screens/shelf.py",
    "sync/delivery.py",
    "sync/dispatch.py",
    "sync/envelope.py",
    "sync/errors.py",
    "sync/family.py",
    "sync/feed.py",
    "sync/intake.py",
    "sync/ledger.py",
    "sync/ledger_chain.py",
    "sync/ledger_post.py",
    "sync/link.py",
    "sync/mirror.py",
    "sync/refresh.py",
    "sync/renewal.py",
    "sync/roll.py",
    "sync/rounds.py",
    "sync/seal.py",
    "sync/spool.py",
    "sync/store.py",
    "sync/trust.py",
)
# Modules that give the reasons of a match: a few words beside points.
REASONERS: Final = (
    "agent/person/alignment.py",
    "agent/person/evidence.py",
    "agent/person/matching.py",
    "agent/person/meeting.py",
    "agent/person/reasons.py",
)
# What is put into sentences from variables, where no rule below looks.
WITHIN: Final = {
    "agent/fusion.py": ("{0} h {1} min", "{0} min"),
    "sync/seal.py": ("content-key",),
    # What the system says of a file that cannot be used.
    "sync/store.py": (
        "Input/output error",
        "Is a directory",
        "No space left on device",
        "No such file or directory",
        "Not a directory",
        "Permission denied",
        "Read-only file system",
        "Too many levels of symbolic links",
    ),
}

# The order of forms that translators of Arabic know: none, one, two, 3 to 10, 11 to 99, hundreds. Babel has the last
# two the other way round.
PLURALS: Final = {
    "ar": "(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5)",
}
SHAPES: Final = frozenset({"STOP", "CHECK", "CLEAR", "CANNOT CLEAR", "NONE"})
_SILENT: Final = frozenset({"script", "style", "noscript", "kbd", "code"})
_VOID: Final = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_ATTRIBUTES: Final = ("aria-label", "placeholder", "title", "alt")
# Faults of our own code, and what a process says before it has a page.
_INTERNAL: Final = frozenset(
    {"ValueError", "TypeError", "KeyError", "RuntimeError", "AssertionError", "NotImplementedError", "PortTaken"}
)
_WORDS: Final = re.compile(r"[^\W\d_]{2}")
_SENTENCE: Final = re.compile(r" .*[.?!]$", re.DOTALL)
_SQL: Final = re.compile(r"(SELECT|INSERT|UPDATE|DELETE|CREATE)\b")
_PLACE: Final = re.compile(r"\{(\w+)\}")

Id = str | tuple[str, str]


# --- HTML -----------------------------------------------------------------------------------------------------


class _HtmlTexts(HTMLParser):
    """Collects the texts of a page as screens/texts.js finds them in the browser."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self._open: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        silent = tag in _SILENT or given.get("translate") == "no" or any(self._open)
        if not silent:
            self.texts += [given[name] or "" for name in _ATTRIBUTES if _WORDS.search(given.get(name) or "")]
        if tag not in _VOID:
            self._open.append(silent)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._open) and _WORDS.search(data):
            self.texts.append(" ".join(data.split()))


def html_texts(html: str) -> list[str]:
    """The texts of one HTML file; each end tag must be there."""
    parser = _HtmlTexts()
    parser.feed(html)
    parser.close()
    return parser.texts


# --- JavaScript -----------------------------------------------------------------------------------------------


def script_texts(script: bytes) -> Iterator[Id]:
    """First arguments of `t`, the first two of `tn`."""
    options = {"parse_template_string": True}
    for _line, name, found, _comments in extract_javascript(io.BytesIO(script), ("t", "tn"), (), options):
        if name == "tn" and isinstance(found, list | tuple) and len(found) > 1:
            yield (str(found[0]), str(found[1]))
        elif found:
            yield found if isinstance(found, str) else str(found[0])


def unwritten_calls(script: str) -> list[str]:
    """Calls of `t` and `tn` whose first argument is not written out: nobody could translate it."""
    code = re.sub(r"(^|\s)//.*$|^export function.*$", "", script, flags=re.MULTILINE)
    return re.findall(r"(?<![\w.$])tn?\((?!\s*[\"'])[^)]{0,40}", code)


# --- tables ---------------------------------------------------------------------------------------------------


def table_texts(value: object) -> Iterator[str]:
    """Every value that holds words; the shapes' names at the head of a row are no words."""
    if isinstance(value, str):
        if _WORDS.search(value):
            yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from table_texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            if one not in SHAPES:
                yield from table_texts(one)


# --- Python that speaks ---------------------------------------------------------------------------------------


def sentences(source: str) -> Iterator[str]:
    """Every composed or written English sentence of a module that a person may come to read."""
    tree = ast.parse(source)
    passed = {id(node) for part in _unread(tree) for node in ast.walk(part)}
    for node in ast.walk(tree):
        if id(node) in passed or not isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp):
            continue
        found = list(_told(template(node) or ""))
        if found:
            yield from found
            yield from _choices(node)
            passed |= {id(inner) for inner in ast.walk(node)}


def _told(text: str) -> Iterator[str]:
    """A text if it is a sentence, or several; only those of them that are ours where one is put in from elsewhere."""
    parts = re.split(r"(?<=[.?!]) ", text)
    ours = [part for part in parts if _WORDS.search(_PLACE.sub("", part))]
    for part in [text] if len(ours) == len(parts) else ours:
        pieces = _PLACE.split(part)[::2]
        part = "".join(f"{piece}{{{place}}}" for place, piece in enumerate(pieces[:-1])) + pieces[-1]
        if _SENTENCE.search(part) and not _SQL.match(part) and len(_WORDS.findall(_PLACE.sub("", part))) > 1:
            yield part


def _unread(tree: ast.Module) -> Iterator[ast.AST]:
    """What no page shows: docstrings, log lines, faults of our own code, annotations."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            owner = getattr(getattr(node.func, "value", None), "id", "") or getattr(
                getattr(node.func, "value", None), "attr", ""
            )
            if name in _INTERNAL or owner.lower() in ("_log", "log"):
                yield node


def template(node: ast.AST) -> str | None:
    """A string expression as text with {0}, {1} for what is put in; None for what is no string."""
    parts = _parts(node)
    if parts is None:
        return None
    places = iter(range(len(parts)))
    return "".join(part if part is not None else f"{{{next(places)}}}" for part in parts)


def _parts(node: ast.AST) -> list[str | None] | None:
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return [str(one.value) if isinstance(one, ast.Constant) else None for one in node.values]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _parts(node.left), _parts(node.right)
        if left is None and right is None:
            return None
        return [*(left or [None]), *(right or [None])]
    return None


def _choices(node: ast.AST) -> Iterator[str]:
    """The words that are put into a sentence by a choice: f"{'a' if x else 'b'}"."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.IfExp):
            for branch in (inner.body, inner.orelse):
                text = template(branch)
                if text and _WORDS.search(text):
                    yield text.strip()


def reasons(source: str) -> Iterator[str]:
    """The words beside points: what is called `why`, what `reason_of` and `Pair` take fourth, what has points.

    Also the constants of a module that are words, and the values of its tables.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id="reason_of" | "Pair"), args=[_, _, _, why, *_]):
                yield from _leaves(why)
            case ast.AnnAssign(value=ast.Dict(values=values)):
                for value in values:
                    yield from _leaves(value)
            case ast.AnnAssign(value=ast.Constant() as value) | ast.Assign(targets=[ast.Name(id="why")], value=value):
                yield from _leaves(value)
            case ast.Tuple(elts=[one, words]) if not isinstance(one, ast.Constant | ast.JoinedStr) or (
                isinstance(one, ast.Constant) and isinstance(one.value, float)
            ):
                yield from _leaves(words)


def _leaves(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _leaves(node.body)
        yield from _leaves(node.orelse)
        return
    text = template(node)
    if text and _WORDS.search(text):
        yield text


# --- together -------------------------------------------------------------------------------------------------


def extracted() -> dict[Id, set[str]]:
    """Every text of the pages -> the files it stands in."""
    found: dict[Id, set[str]] = defaultdict(set)
    for folder in PAGES:
        for file in sorted((HOUSE / folder).iterdir()):
            name = f"{folder}/{file.name}"
            if file.suffix == ".html":
                _note(found, html_texts(file.read_text("utf-8")), name)
            elif file.suffix == ".js":
                _note(found, script_texts(file.read_bytes()), name)
    for name, table in TABLES.items():
        _note(found, table_texts(table), name)
    for name in SPEAKERS:
        _note(found, sentences((HOUSE / name).read_text("utf-8")), name)
    for name in REASONERS:
        _note(found, reasons((HOUSE / name).read_text("utf-8")), name)
    for name, texts in WITHIN.items():
        _note(found, texts, name)
    return dict(found)


def _note(found: dict[Id, set[str]], texts: Any, name: str) -> None:
    for text in texts:
        found[text].add(name)


def key(text: Id) -> str:
    """What a text is found by: a plural by its singular."""
    return text if isinstance(text, str) else text[0]


def merged(language: str, texts: dict[Id, set[str]], held: Catalog | None) -> Catalog:
    """The texts with what `held` has in that language; a text that is new, or has become a plural, has no words yet."""
    catalog = Catalog(locale=language, fuzzy=False)
    for text in sorted(texts, key=key):
        old = held.get(text if isinstance(text, str) else text[0]) if held else None
        kept = old if old is not None and _same_form(old, text) else None
        catalog.add(
            text,
            string=kept.string if kept else None,
            locations=[(name, None) for name in sorted(texts[text])],  # type: ignore[misc]  # babel takes no line number
            user_comments=old.user_comments if old else (),
        )
    return catalog


def _same_form(old: Message, text: Id) -> bool:
    return old.pluralizable == isinstance(text, tuple)


def read(language: str) -> Catalog | None:
    """The catalogue as it lies in the tree; None where there is none yet."""
    path = LOCALE / f"{language}.po"
    if not path.exists():
        return None
    with path.open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def written(catalog: Catalog) -> bytes:
    """A catalogue as file: without dates, versions and line numbers, so that only changes of texts show."""
    body = io.BytesIO()
    write_po(body, catalog, width=110, omit_header=True, include_lineno=False)
    plural = PLURALS.get(str(catalog.locale_identifier), catalog.plural_expr)
    head = (
        'msgid ""\nmsgstr ""\n'
        f'"Language: {catalog.locale_identifier}\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n'
        '"Content-Transfer-Encoding: 8bit\\n"\n'
        f'"Plural-Forms: nplurals={catalog.num_plurals}; plural={plural};\\n"\n\n'
    )
    return head.encode() + body.getvalue()


def untranslated(catalog: Catalog) -> list[str]:
    """The texts that have no words, or not all forms of them."""
    return [key(one.id) for one in catalog if one.id and not all(_forms(one, catalog.num_plurals))]


def _forms(message: Message, plurals: int) -> tuple[str, ...]:
    if isinstance(message.string, str):
        return (message.string,)
    given = tuple(message.string or ())
    return given + ("",) * (plurals - len(given)) if message.pluralizable else given or ("",)


def main() -> None:
    """Renew the catalogues and say what has no words yet."""
    texts = extracted()
    LOCALE.mkdir(exist_ok=True)
    for language in LANGUAGES_KEPT:
        catalog = merged(language, texts, read(language))
        (LOCALE / f"{language}.po").write_bytes(written(catalog))
        print(f"{language}: {len(texts)} texts, {len(untranslated(catalog))} without words", file=sys.stderr)


if __name__ == "__main__":
    main()
