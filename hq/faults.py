"""What goes wrong at headquarters, in words for the person at its command line.

HeadquartersError          each carries `advice`
├── KeyFault
│   ├── KeyMissing         a key file, or the whole offline folder, is not there
│   ├── PassphraseWrong    the offline keys do not open
│   ├── KeysExist          `init` would overwrite keys
│   └── RequestRefused     a certificate request that is not in order
├── RepositoryFault        (hq/feeds/published.py)
└── ...                    one for each part that has faults of its own
"""

from __future__ import annotations

from typing import ClassVar


class HeadquartersError(Exception):
    """Base of what headquarters reports to the person at its command line; `advice` is what they do next."""

    usual_advice: ClassVar[str] = "Nothing was changed."

    def __init__(self, detail: str, advice: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.advice = advice or self.usual_advice

    def __str__(self) -> str:
        return f"{self.detail} {self.advice}"


class KeyFault(HeadquartersError):
    usual_advice = "Check the keys folder's owner and mode."


class KeyMissing(KeyFault):
    usual_advice = "Run `failsafe-hq keys init` once, or put the key's file back from its safe."


class PassphraseWrong(KeyFault):
    usual_advice = "Try the passphrase again; without it the offline keys cannot be used."


class KeysExist(KeyFault):
    usual_advice = "Choose another folder; keys are never overwritten."


class RequestRefused(KeyFault):
    usual_advice = "Run `failsafe keys init` at the booth again and bring the new enrolment file."
