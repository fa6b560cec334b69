"""What the second line finds out, on its way into the ledger, and what the ledger tells about a crossing's alerts.

A finding names the alerts of one crossing. They are looked up in the ledger, not in the lane: the lane may have gone
on, and the core may have been started anew since they were raised. Nothing is ever changed or taken back here.

A radiation alarm names nobody. An officer may attach the traveller's document to it, with a reason: then, and only
then, it is written down, in the finding that says so.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from failsafe.agent.alerts import Circumstances
from failsafe.agent.page.view import FindingOrder, FindingRefused, FindingView, Told
from failsafe.agent.radiation.adjudication import LONGEST_D, MEDICINES, explained
from failsafe.agent.recorder import Recorder
from failsafe.sync.errors import SyncError
from failsafe.sync.ledger import Kept, Ledger
from failsafe.sync.reports import (
    ENTRY_ID,
    FINDING_ALERTS,
    FINDING_LENGTH,
    OWN_ID,
    RADIATION_KINDS,
    Alert,
    Finding,
    PersonAsRead,
)

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

    def record(self, order: FindingOrder, person: PersonAsRead | None = None) -> str:
        """Record what an officer wrote; on the disk when this returns its id. The same order again changes nothing.

        Args:
            person: whom an order attaches to its alerts; None where the lane knows the traveller no more.

        Raises:
            FindingRefused: it is not recorded, or it could not be learned in time whether it is.
        """
        finding = self._composed(order, person)
        refusals: list[FindingRefused] = []

        def write(ledger: Ledger) -> None:
            refusal = _append(ledger, finding, attach=order.attach)
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

    def _composed(self, order: FindingOrder, person: PersonAsRead | None) -> Finding:
        text = printable(order.text)
        if order.attach and not text:
            raise FindingRefused("The reason is missing.", "Write why the document is attached.")
        if not text and order.category is None:
            raise FindingRefused("The finding is empty.", "Write what was found.")
        if len(text) > FINDING_LENGTH:
            raise FindingRefused(
                f"The finding has {len(text)} characters.", f"Shorten it to {FINDING_LENGTH}, or write a second one."
            )
        if not 0 < len(order.alerts) <= FINDING_ALERTS or not all(map(ENTRY_ID.fullmatch, order.alerts)):
            raise FindingRefused("The finding names no alert of this crossing.", _RELOAD)
        if not OWN_ID.fullmatch(order.id):
            raise FindingRefused("The finding has no id of this version.", _RELOAD)
        _check_medical(order)
        around = self._circumstances(order.lane)
        return Finding(
            id=order.id,
            at=around.at,
            place=around.place,
            alerts=order.alerts,
            text=text,
            crossing=order.crossing,
            shift=self._shift(),
            category=order.category,
            nuclide=order.nuclide,
            days_since=order.days_since,
            person=person if order.attach else None,
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


def _check_medical(order: FindingOrder) -> None:
    """Substance and days belong to a medical explanation, and must be some that can be meant."""
    if order.nuclide is None and order.days_since is None:
        return
    if order.category != "medical" or order.nuclide not in {None, *MEDICINES}:
        raise FindingRefused("The finding names a substance that is not in the table.", _RELOAD)
    if order.days_since is not None and not 0 <= order.days_since <= LONGEST_D:
        raise FindingRefused("The days since the procedure cannot be right.", "Correct them, or leave them out.")


def _append(ledger: Ledger, finding: Finding, *, attach: bool) -> FindingRefused | None:
    """Append, or say why not: a mistake of the page's must not count as a fault of the ledger's."""
    held = ledger.entry(finding.id)
    if held is not None:
        same = _repeats(held.body, finding, attach=attach)
        return None if same else FindingRefused("This id is taken.", _RELOAD)
    alerts: list[Alert] = []
    for alert_id in finding.alerts:
        alert = ledger.entry(alert_id)
        if alert is None or not isinstance(alert.body, Alert):
            return FindingRefused("NOT RECORDED: the alert itself is not in the ledger.", _TELEPHONE, booth=True)
        # An alarm raised before a document stood beside it belongs to no crossing, and to the one it then reached.
        if alert.body.crossing not in (None, finding.crossing) or alert.body.place.lane != finding.place.lane:
            return FindingRefused("The finding names an alert of another crossing.", _RELOAD)
        alerts.append(alert.body)
    refusal = _unfit(ledger, finding, alerts, attach=attach)
    if refusal is None:
        ledger.append(_judged(finding, alerts))
    return refusal


def _unfit(ledger: Ledger, finding: Finding, alerts: Sequence[Alert], *, attach: bool) -> FindingRefused | None:
    """Why a category or an identity cannot go with these alerts."""
    if finding.category is not None and all(alert.kind not in RADIATION_KINDS for alert in alerts):
        return FindingRefused("A kind of radiation was chosen, but no alert is about radiation.", _RELOAD)
    if not attach:
        return None
    before = (kept.entry.body for kept in ledger.findings(finding.alerts))
    if any(isinstance(body, Finding) and body.person is not None for body in before):
        return FindingRefused("The document is attached already.", "A correction is a further finding.")
    if any(alert.kind != "radiation_alarm" for alert in alerts):
        return FindingRefused("These alerts name their traveller already.", "Write what was found.")
    if finding.person is None:
        return FindingRefused(
            "The booth does not know this traveller's document any more.", "Telephone the CCC and tell them."
        )
    return None


def _judged(finding: Finding, alerts: Sequence[Alert]) -> Finding:
    """With what the booth says of a medical explanation; it decides nothing."""
    if finding.nuclide is None or finding.days_since is None:
        return finding
    channels = (one for alert in alerts if alert.radiation is not None for one in alert.radiation.channels)
    neutrons = any(one.channel == "neutron" and one.alarm for one in channels)
    return msgspec.structs.replace(finding, plausible=explained(finding.nuclide, finding.days_since, neutrons=neutrons))


def _repeats(held: object, finding: Finding, *, attach: bool) -> bool:
    """Whether it is the same order once more; only its time is another, and the lane may have forgotten the person."""
    if not isinstance(held, Finding) or (held.person is not None) != attach:
        return False
    later = msgspec.structs.replace(
        finding, at=held.at, place=held.place, shift=held.shift, plausible=held.plausible, person=held.person
    )
    return held == later


def _view(kept: Kept) -> FindingView | None:
    body = kept.entry.body
    if not isinstance(body, Finding):
        return None
    return FindingView(
        id=body.id,
        at=body.at.wall,
        text=body.text,
        shift=body.shift,
        delivered_at=kept.delivered_at or "",
        category=body.category,
        nuclide=body.nuclide,
        days_since=body.days_since,
        plausible=body.plausible,
        attached=body.person is not None,
    )
