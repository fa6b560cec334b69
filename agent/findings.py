"""What the second line finds out, on its way into the ledger, and what the ledger tells about a crossing's alerts.

A finding names the alerts of one crossing. They are looked up in the ledger, not in the lane: the lane may have gone
on, and the core may have been started anew since they were raised. Nothing is ever changed or taken back here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Final

from failsafe.agent.alerts import Circumstances
from failsafe.agent.page.view import FindingOrder, FindingRefused, FindingView, Told
from failsafe.agent.recorder import Recorder
from failsafe.sync.errors import SyncError
from failsafe.sync.ledger import Kept, Ledger
from failsafe.sync.records import ENTRY_ID, FINDING_ALERTS, FINDING_LENGTH, OWN_ID, Alert, Finding

# The page waits five seconds; a ledger that failed once is tried again after one.
ANSWER_S: Final = 3.0
_TELEPHONE: Final = "Telephone the CCC and tell them; the text stays here to be sent again."
_RELOAD: Final = "Reload the page and write it again."


class Findings:
    """Records findings and tells of them. Its methods may be called from any thread but the booth's, and may wait.

    Args:
        recorder: writes them.
        open_ledger: opens a connection for the calling thread.
        circumstances: when and where, by a lane's name.
        shift: the shift's name.
    """

    def __init__(
        self,
        recorder: Recorder,
        open_ledger: Callable[[], Ledger],
        circumstances: Callable[[str], Circumstances],
        shift: Callable[[], str],
    ) -> None:
        self._recorder = recorder
        self._open_ledger = open_ledger
        self._circumstances = circumstances
        self._shift = shift

    def record(self, order: FindingOrder) -> str:
        """Record what an officer wrote; on the disk when this returns its id. The same order again changes nothing.

        Raises:
            FindingRefused: it is not recorded, or it could not be learned in time whether it is.
        """
        finding = self._composed(order)
        refusals: list[FindingRefused] = []

        def write(ledger: Ledger) -> None:
            refusal = _append(ledger, finding)
            refusals.extend([refusal] if refusal else [])

        recorded = self._recorder.try_once(write, ANSWER_S)
        if refusals:
            raise refusals[0]
        if recorded is None:
            raise FindingRefused(
                "The ledger has not answered yet.", "Send it again: it will be recorded once.", booth=True
            )
        if not recorded:
            raise FindingRefused("NOT RECORDED: the ledger cannot record.", _TELEPHONE, booth=True)
        return finding.id

    def _composed(self, order: FindingOrder) -> Finding:
        text = printable(order.text)
        if not text:
            raise FindingRefused("The finding is empty.", "Write what was found.")
        if len(text) > FINDING_LENGTH:
            raise FindingRefused(
                f"The finding has {len(text)} characters.", f"Shorten it to {FINDING_LENGTH}, or write a second one."
            )
        if not 0 < len(order.alerts) <= FINDING_ALERTS or not all(map(ENTRY_ID.fullmatch, order.alerts)):
            raise FindingRefused("The finding names no alert of this crossing.", _RELOAD)
        if not OWN_ID.fullmatch(order.id):
            raise FindingRefused("The finding has no id of this version.", _RELOAD)
        around = self._circumstances(order.lane)
        return Finding(
            id=order.id,
            at=around.at,
            place=around.place,
            alerts=order.alerts,
            text=text,
            crossing=order.crossing,
            shift=self._shift(),
        )

    def told(self, alerts: Sequence[str]) -> Told:
        """How far these alerts have come, and what was found about them, oldest first.

        Raises:
            FindingRefused: the ledger cannot be read.
        """
        try:
            with self._open_ledger() as ledger:
                known = [kept for alert in alerts[:FINDING_ALERTS] if (kept := ledger.kept(alert)) is not None]
                found = list(ledger.findings([kept.entry.body.id for kept in known]))
        except SyncError as error:
            raise FindingRefused("The ledger cannot be read.", error.advice, booth=True) from None
        return Told(
            recorded=tuple(kept.entry.body.id for kept in known),
            delivered={kept.entry.body.id: kept.delivered_at for kept in known if kept.delivered_at},
            findings=tuple(view for kept in found if (view := _view(kept)) is not None),
        )


def printable(text: str) -> str:
    """`text` without what no keyboard types: line ends of one kind, no control characters, no space around."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(" " if unicodedata.category(one) == "Cc" and one != "\n" else one for one in lines).strip()


def _append(ledger: Ledger, finding: Finding) -> FindingRefused | None:
    """Append, or say why not: a mistake of the page's must not count as a fault of the ledger's."""
    held = ledger.entry(finding.id)
    if held is not None:
        return None if _repeats(held.body, finding) else FindingRefused("This id is taken.", _RELOAD)
    for alert_id in finding.alerts:
        alert = ledger.entry(alert_id)
        if alert is None or not isinstance(alert.body, Alert):
            return FindingRefused("NOT RECORDED: the alert itself is not in the ledger.", _TELEPHONE, booth=True)
        if (alert.body.crossing, alert.body.place.lane) != (finding.crossing, finding.place.lane):
            return FindingRefused("The finding names an alert of another crossing.", _RELOAD)
    ledger.append(finding)
    return None


def _repeats(held: object, finding: Finding) -> bool:
    """Whether it is the same order once more; only its time is another."""
    same = isinstance(held, Finding) and (held.alerts, held.crossing, held.text)
    return same == (finding.alerts, finding.crossing, finding.text)


def _view(kept: Kept) -> FindingView | None:
    body = kept.entry.body
    if not isinstance(body, Finding):
        return None
    return FindingView(
        id=body.id, at=body.at.wall, text=body.text, shift=body.shift, delivered_at=kept.delivered_at or ""
    )
