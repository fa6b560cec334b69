"""What a page is made of: its HTML, its files and those of this room, its words, and the texts of each language."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import PurePosixPath
from typing import Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from failsafe.screens.gate import Refused, Token
from failsafe.screens.texts import LANGUAGES, texts

_KINDS: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Shelf:
    """The static side of a page; everything on it is public, nothing on it is of a person.

    A file stands at `/NAME`; the tables of `words` are the module `/words.js`, the languages `/languages.js`, the
    texts of a language `/texts/LANG.json`. In the HTML, `@@TOKEN@@` becomes the process's token and `@@BUILD@@` a
    mark that changes with any file, so that an open page knows that it is outdated.
    """

    def __init__(self, package: str, *, pages: Mapping[str, str], words: Mapping[str, object]) -> None:
        """`pages`: path -> HTML file of `package`.

        Raises:
            ValueError: a file of the package has the name of one of this room, which it would hide.
        """
        self.token = Token()
        own, shared = _files(package), _files("failsafe.screens")
        if own.keys() & shared.keys():
            raise ValueError(f"{', '.join(sorted(own.keys() & shared.keys()))}: already on the shelf of both pages")
        self._files = own | shared
        self._files["/words.js"] = (_module(words), _KINDS[".js"])
        self._files["/languages.js"] = (_module({"LANGUAGES": LANGUAGES}), _KINDS[".js"])
        build = hashlib.sha256(b"".join(content for content, _ in self._files.values())).hexdigest()[:16]
        folder = resources.files(package)
        self._pages = {
            path: folder.joinpath(name)
            .read_text(encoding="utf-8")
            .replace("@@TOKEN@@", self.token.text)
            .replace("@@BUILD@@", build)
            for path, name in pages.items()
        }

    def routes(self) -> list[Route]:
        """Where all of it is served."""
        return [
            *(Route(path, self._page, methods=["GET"]) for path in self._pages),
            *(Route(path, self._file, methods=["GET"]) for path in self._files),
            Route("/texts/{language}.json", self._texts, methods=["GET"]),
        ]

    async def _page(self, request: Request) -> Response:
        return Response(self._pages[request.url.path], media_type="text/html")

    async def _file(self, request: Request) -> Response:
        content, kind = self._files[request.url.path]
        return Response(content, media_type=kind)

    async def _texts(self, request: Request) -> Response:
        language = request.path_params["language"]
        if all(one.code != language for one in LANGUAGES):
            raise Refused(404, "The page has no such language.", "Choose one of its languages.")
        return Response(await run_in_threadpool(texts, language), media_type="application/json")


def _files(package: str) -> dict[str, tuple[bytes, str]]:
    found = sorted(resources.files(package).iterdir(), key=lambda file: file.name)
    kinds = {f"/{file.name}": (file, _KINDS.get(PurePosixPath(file.name).suffix)) for file in found}
    return {path: (file.read_bytes(), kind) for path, (file, kind) in kinds.items() if kind}


def _module(tables: Mapping[str, object]) -> bytes:
    """Tables as a JavaScript module that exports each under its name."""
    return b"".join(
        b"export const %s = %s;\n" % (name.encode(), msgspec.json.encode(table)) for name, table in tables.items()
    )
