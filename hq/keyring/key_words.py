"""What each of headquarters' keys is for, and in words what its exchange or its loss means. Text only.

An operator reads this before anything happens (`--dry-run`), and a second time before saying yes. The table in
docs/headquarters.md says the same in short.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OFFLINE_ROLES: Final = ("root", "targets")


@dataclass(frozen=True, slots=True)
class Words:
    """Sentences about one kind of key.

    Args:
        signs: what it may sign, open or vouch for.
        changes: which files are written.
        booths: what booths do, and by when.
        needs: what must be brought to this machine.
        alerts: what becomes of alerts and receipts on their way.
        thief: what somebody who has it could have done, and until when.
        further: what remains to be done where it was stolen.
    """

    signs: str
    changes: str
    booths: str
    needs: str
    thief: str
    further: str
    alerts: str = "Alerts and receipts on their way are not touched."


_FOLLOW: Final = (
    "They follow by themselves: at the next refresh of their link (ten minutes), or with the next stick. One that was "
    "off for years follows too."
)
_ROOT_NEEDED: Final = "The offline root keys, as many as must sign, and their passphrase."
_TARGETS_NEEDED: Final = "The offline targets keys, as many as must sign, and their passphrase."
_ONLINE_STOLEN: Final = (
    "Whoever read this file could read all of online/: exchange every key in it, and find out how they came in."
)

WORDS: Final[dict[str, Words]] = {
    "root": Words(
        signs="which keys count, and the next root",
        changes="public/metadata/N.root.json is written, signed by the old and the new shares; snapshot and timestamp "
        "are signed anew. The new share is written to the medium of the old one, and the old one is removed there: "
        "destroy its other copies.",
        booths=_FOLLOW,
        needs=_ROOT_NEEDED + " A share that is lost need not be there.",
        thief="One share alone signs nothing. Who has as many as must sign can make a root of their own, and with it "
        "notices and orders of their own, for booths whose link or stick they also reach: until these have the new "
        "root.",
        further="Where as many shares as must sign may be stolen: exchange all of them at once. A booth that took a "
        "thief's root refuses ours (too few signatures) and its notices grow old: set it up anew, with the root_sha256 "
        "of the new root.",
    ),
    "targets": Words(
        signs="statements, which bureau publishes which feed, headquarters' keys for alerts",
        changes="public/metadata/N.root.json and V.targets.json are written; snapshot and timestamp are signed anew. "
        "The new share is written to the medium of the old one, and the old one is removed there: destroy its other "
        "copies.",
        booths=_FOLLOW,
        needs=_ROOT_NEEDED + " " + _TARGETS_NEEDED,
        thief="One share alone signs nothing. Who has as many as must sign, and the snapshot and timestamp keys, can "
        "let a list shrink, name a bureau of their own or have alerts sealed to themselves: until booths have the new "
        "root.",
        further="Look through `failsafe-hq keys list` and the statements for what you did not sign.",
    ),
    "snapshot": Words(
        signs="which versions belong together",
        changes="public/metadata/N.root.json is written; snapshot and timestamp are signed anew.",
        booths=_FOLLOW,
        needs=_ROOT_NEEDED,
        thief="With the timestamp key too: show booths old and new files mixed, within the rule of age. Never other "
        "notices. Until booths have the new root, which also frees them of versions that were driven up.",
        further=_ONLINE_STOLEN + " The timestamp key goes with it: `failsafe-hq keys revoke timestamp`.",
    ),
    "timestamp": Words(
        signs="every ten minutes: this is still headquarters' word",
        changes="public/metadata/N.root.json is written; the timestamp is signed anew.",
        booths=_FOLLOW,
        needs=_ROOT_NEEDED,
        thief="Keep booths at the notices of today and have them call these fresh, or drive the version up so that "
        "they refuse ours. Never other notices. Until booths have the new root, which takes both back.",
        further=_ONLINE_STOLEN,
    ),
    "bureau": Words(
        signs="heads, snapshots and deltas of this bureau's feeds",
        changes="V.targets.json names the new key; the bureau's metadata, snapshot and timestamp are signed anew, and "
        "with them a new epoch is published, with what was imported by now. Where that cannot be (an empty list), it "
        "is said, and `serve` tries it every hour.",
        booths=_FOLLOW,
        needs=_TARGETS_NEEDED,
        thief="With the snapshot and timestamp keys: notices of their own in this bureau's feeds, or some taken away, "
        "as long as the counts do not fall. Until booths have the new targets.",
        further="The old key ends at once, and the new epoch follows: a booth that asks for the whole list in between "
        "refuses it, and takes it a round later. "
        + _ONLINE_STOLEN
        + " Then start a new lineage (`failsafe-hq statement --new-lineage`, and publish): "
        "booths take the whole list anew, and what a thief put in or took away is over.",
    ),
    "receipt": Words(
        signs="receipts: headquarters has stored this alert",
        changes="V.targets.json names the new key; snapshot and timestamp are signed anew. A server that runs takes "
        "the new key at once.",
        booths=_FOLLOW,
        needs=_TARGETS_NEEDED,
        alerts="Receipts of the old key still count, unless it was stolen: then booths ask again and get new ones. A "
        "receipt of the new key waits in a booth until the booth has the new targets. No alert is lost.",
        thief="Give a booth receipts for alerts that never arrived here: the booth sends them no more, keeps them in "
        "its ledger, and the command centre sees `gap before` in its chain. Until the booth has the new targets.",
        further=_ONLINE_STOLEN
        + " Look for `gap before` at the command centre since the theft: those alerts are in the booths' ledgers; have "
        "technicians read them out.",
    ),
    "seal": Words(
        signs="opens alerts",
        changes="V.targets.json names the new key; snapshot and timestamp are signed anew. The old secret stays in "
        "online/former/. Then a new epoch is published, with what was imported by now.",
        booths=_FOLLOW + " From then on they seal to the new key, and what still waits is sealed anew.",
        needs=_TARGETS_NEEDED,
        alerts="Alerts sealed to the old key open as long as it lies in online/former/. End it when every booth has "
        "been heard since (`failsafe-hq keys forget ID`): a booth that comes later seals anew, nothing is lost.",
        thief="Read every alert that they caught on its way, and the content keys in a copied register. They cannot "
        "write any. Until booths have the new targets; what was caught before stays readable.",
        further=_ONLINE_STOLEN + " Tell those concerned that alerts may have been read.",
    ),
    "authority": Words(
        signs="TLS certificates of links and server",
        changes="A new authority stands beside the old one; every booth's link gets a certificate of the new one in "
        "its welcome, which the link fetches by itself. The server goes on with its certificate. End the old one when "
        "every link has come: `failsafe-hq keys forget authority`.",
        booths="Links fetch their new welcome within ten minutes and use it. A link that did not come before the old "
        "authority is ended needs its welcome by courier: `failsafe-hq courier export FOLDER --booth BOOTH`.",
        needs="Nothing.",
        thief="Stand between a link and headquarters and hold everything back, all of it sealed; hand a link a false "
        "welcome, after which it needs a courier. They cannot pass for a booth (its key is in the register), read "
        "nothing and sign nothing. Until the old authority is ended.",
        further=_ONLINE_STOLEN
        + " Do not wait for stragglers: end the old authority within the day, and send the others their welcome by "
        "courier.",
    ),
    "server": Words(
        signs="the server's side of TLS",
        changes="online/server.pem is made anew, for the same names.",
        booths="They believe the authority and see no difference.",
        needs="Nothing.",
        thief="Stand in the server's place and hold everything back, all of it sealed, until the certificate ends: a "
        "link asks nobody whether it was revoked.",
        further="If that is too long, exchange the authority too: `failsafe-hq keys revoke authority`.",
    ),
    "online": Words(
        signs="everything that is done without the offline keys",
        changes="All keys in online/ are exchanged in one go: snapshot, timestamp, every bureau, receipt, seal, "
        "server, authority and notify. A new root and new targets are written, then a new epoch is published, with "
        "what was imported by now.",
        booths=_FOLLOW + " Links fetch new certificates from the server.",
        needs=_ROOT_NEEDED + " " + _TARGETS_NEEDED,
        alerts="Alerts sealed to the old key open as long as it lies in online/former/. Receipts of a stolen key count "
        "no more: booths ask again. Calls to the CBRNE programme wait until it has the new public key.",
        thief="For booths that they reach, and until these have the new root: publish notices of their own, keep "
        "notices back, read alerts, give false receipts. They cannot change a feed's lineage, let a list shrink, or "
        "outlast the new root.",
        further="Set the machine up anew before the new keys lie on it. Start a new lineage (`failsafe-hq statement "
        "--new-lineage`, and publish), so that booths take the whole list anew; end the old authority within the day "
        "(`failsafe-hq keys forget authority`); look for `gap before` at the command centre since the theft.",
    ),
    "content": Words(
        signs="encrypts the notices of a feed, one key an epoch",
        changes="A new epoch is published: the whole list under a new key, and a key file for every booth that takes "
        "part.",
        booths="They take the new key with the next refresh or stick; those that are behind take the whole list once.",
        needs="Nothing.",
        thief="Read the notices of the epochs whose key they have, from files that anybody may fetch. They cannot "
        "write. What is published in the new epoch they cannot read.",
        further="If a booth lost it, revoke the booth: `failsafe-hq booths revoke BOOTH`. Else the new epoch would be "
        "read in the same way.",
    ),
    "notify": Words(
        signs="calls to the CBRNE programme's webhook",
        changes="The key's file is made anew; the new public key is printed.",
        booths="They know nothing of it.",
        needs="Nothing.",
        alerts="Calls are refused until the programme has the new public key; they are tried for ever, nothing is "
        "lost.",
        thief="Tell the programme of alerts that never were. Until it has the new public key.",
        further="Tell the programme by telephone, and have it look through its calls since the theft.",
    ),
}


def kind_of(role: str) -> str:
    """The kind of key that a role has words under."""
    return "bureau" if role.startswith("bureau-") else role


def told(role: str, going: str, *, stolen: bool) -> list[str]:
    """What will happen, a sentence or two a line.

    Args:
        role: as `failsafe-hq keys rotate` takes it.
        going: the keys that go, in words.
        stolen: the key is lost or stolen.
    """
    words = WORDS[kind_of(role)]
    lines = [
        f"{'Revokes' if stolen else 'Exchanges'} {going} ({words.signs}).",
        f"Here: {words.changes}",
        f"Booths: {words.booths}",
        f"Alerts: {words.alerts}",
        f"To be brought: {words.needs}",
    ]
    if stolen:
        lines += [f"A thief could: {words.thief}", f"Do further: {words.further}"]
    return lines
