"""A feed's payloads, the rule by which a head may follow a floor, and the cheaper way between them."""

from __future__ import annotations

import tracemalloc

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from failsafe.sync import feed, seal
from failsafe.sync.errors import ForeignLineage, Malformed, Older, Shrunken, SyncError, Truncated
from failsafe.sync.feed import Floor, Operations
from failsafe.sync.records import (
    Head,
    ListedDocument,
    Notice,
    Operation,
    Payload,
    PayloadHeader,
    PersonName,
    PutListed,
    PutNotice,
    RemoveListed,
    RemoveNotice,
    Statement,
)

KEY = seal.new_content_key()
STATEMENT = Statement(feed="base", lineage="one")
OPERATIONS: list[Operation] = [
    PutNotice(notice=Notice(entity_id="2026/1", tier="rn", names=(PersonName(surname="ПРИМІРЕНКО", given="a\nb"),))),
    PutListed(document=ListedDocument(number="ZX1", issuing_country="FR", document_type="P", fraud_type="stolen")),
    RemoveNotice(entity_id="2026/2"),
    RemoveListed(number="ZX2", issuing_country="FR", document_type="P"),
]


def payload(serial: int, base: int | None = None, length: int = 100) -> Payload:
    return Payload(path=f"feed/base/{serial}", serial=serial, base_serial=base, length=length, sha256="")


def head(serial: int = 3, *, count: int = 10, removed: int = 2, lineage: str = "one", **more: object) -> Head:
    fields = {"snapshot": payload(serial), "deltas": (), **more}
    return Head(
        feed="base",
        lineage=lineage,
        serial=serial,
        epoch=1,
        count=count,
        removed=removed,
        content_key_sha256="",
        published_at="2026-11-21T00:00:00Z",
        **fields,  # type: ignore[arg-type]
    )


def box(operations: list[Operation], serial: int = 3, base: int | None = None) -> bytes:
    header = PayloadHeader(feed="base", lineage="one", serial=serial, base_serial=base)
    return feed.encode_payload(header, operations, KEY)


# --- payloads ------------------------------------------------------------------------------------------------


def test_what_goes_in_comes_out_and_can_be_read_twice() -> None:
    found = feed.decode_payload(box(OPERATIONS), payload(3), head(), KEY)
    assert list(found) == OPERATIONS and list(found) == OPERATIONS
    assert len(found) == len(OPERATIONS)


def test_a_chain_of_payloads_is_one_list() -> None:
    first = feed.decode_payload(box(OPERATIONS[:2]), payload(3), head(), KEY)
    second = feed.decode_payload(box(OPERATIONS[2:], 4, 3), payload(4, 3), head(4), KEY)
    assert list(Operations() + first + second) == OPERATIONS
    assert list(Operations()) == []


@pytest.mark.parametrize("limit", ["MAX_PLAIN_BYTES", "_LONGEST_LINE"])
def test_what_unpacks_beyond_every_measure_is_refused(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = box(OPERATIONS)
    monkeypatch.setattr(feed, limit, 60)
    with pytest.raises(Truncated):
        feed.decode_payload(content, payload(3), head(), KEY)


def test_what_is_held_of_a_payload_is_what_was_packed() -> None:
    many = [RemoveNotice(entity_id="2026/1")] * 100_000
    content = box(many)
    tracemalloc.start()
    found = feed.decode_payload(content, payload(3), head(), KEY)
    assert sum(1 for _ in found) == len(found) == len(many)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < sum(len(msgspec.json.encode(one)) for one in many) / 2


def test_nothing_of_a_notice_is_readable_in_a_payload() -> None:
    content = box(OPERATIONS)
    assert "ПРИМІРЕНКО".encode() not in content and b"2026/1" not in content


@pytest.mark.parametrize(
    ("where", "named"),
    [
        (payload(4), head(4)),  # another serial
        (payload(3, 2), head()),  # a delta, not a snapshot
        (payload(3), head(lineage="two")),
    ],
    ids=["serial", "base", "lineage"],
)
def test_a_payload_belongs_to_one_place_only(where: Payload, named: Head) -> None:
    with pytest.raises(Truncated):
        feed.decode_payload(box(OPERATIONS), where, named, KEY)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(Truncated):
        feed.decode_payload(box(OPERATIONS), payload(3), head(), seal.new_content_key())


@given(st.binary(max_size=200), st.integers(0, 3))
def test_bytes_that_are_no_payload_are_refused(noise: bytes, cut: int) -> None:
    whole = box(OPERATIONS[:1])
    for content in (noise, whole[: len(whole) - 1 - cut], whole + noise + b"x"):
        with pytest.raises(SyncError):
            feed.decode_payload(content, payload(3), head(), KEY)


def written_by_headquarters(plain: bytes) -> bytes:
    return seal.encrypt_content(zstandard.compress(plain), KEY, "base", "one", "3", "snapshot")


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ([b'{"op":"notice","notice":{"entity_id":1}}'], Malformed),
        ([b'{"op":"something new"}'], Malformed),
        ([b"", b""], Malformed),
        ([], Truncated),
    ],
    ids=["wrong field", "unknown operation", "empty lines", "too few"],
)
def test_a_signed_payload_in_another_shape_is_refused_whole(lines: list[bytes], error: type[SyncError]) -> None:
    header = msgspec.json.encode(PayloadHeader(feed="base", lineage="one", serial=3, lines=max(len(lines), 1)))
    with pytest.raises(error) as refused:
        feed.decode_payload(written_by_headquarters(b"\n".join([header, *lines]) + b"\n"), payload(3), head(), KEY)
    assert "entity" not in str(refused.value)


# --- the floor -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "statement", "floor", "error"),
    [
        (head(), Statement(feed="base", lineage="two"), None, ForeignLineage),
        (head(), Statement(feed="other", lineage="one"), None, ForeignLineage),
        (head(2), STATEMENT, Floor("one", 3, 10, 2), Older),
        (head(count=0, removed=12), STATEMENT, None, Shrunken),
        (head(4, count=0, removed=12), STATEMENT, Floor("one", 3, 10, 2), Shrunken),
        (head(4, count=9, removed=2), STATEMENT, Floor("one", 3, 10, 2), Shrunken),
    ],
)
def test_heads_that_may_not_follow(
    named: Head, statement: Statement, floor: Floor | None, error: type[SyncError]
) -> None:
    with pytest.raises(error):
        feed.check_head(named, statement, floor)


@pytest.mark.parametrize(
    ("named", "statement", "floor"),
    [
        (head(), STATEMENT, None),
        (head(), STATEMENT, Floor("one", 3, 10, 2)),
        (head(4, count=9, removed=3), STATEMENT, Floor("one", 3, 10, 2)),
        (
            head(4, count=0, removed=0),
            Statement(feed="base", lineage="one", may_shrink_at=(4,)),
            Floor("one", 3, 10, 2),
        ),
        (head(1, lineage="two"), Statement(feed="base", lineage="two"), Floor("one", 900, 10, 2)),
    ],
    ids=["first", "the same again", "removed and counted", "signed to shrink", "signed new lineage"],
)
def test_heads_that_may_follow(named: Head, statement: Statement, floor: Floor | None) -> None:
    feed.check_head(named, statement, floor)


# --- the way -------------------------------------------------------------------------------------------------


def test_nothing_held_takes_the_snapshot_and_the_held_serial_nothing() -> None:
    named = head(5, deltas=(payload(5, 4, 1),))
    assert feed.way(named, None) == (named.snapshot,)
    assert feed.way(named, Floor("two", 5)) == (named.snapshot,)
    assert feed.way(named, Floor("one", 5)) == ()


def test_a_chain_of_deltas_is_taken_while_it_is_cheaper() -> None:
    deltas = (payload(4, 3, 10), payload(5, 4, 10))
    assert feed.way(head(5, snapshot=payload(5, length=100), deltas=deltas), Floor("one", 3)) == deltas
    dear = head(5, snapshot=payload(5, length=15), deltas=deltas)
    assert feed.way(dear, Floor("one", 3)) == (dear.snapshot,)


def test_a_chain_with_a_gap_or_a_circle_is_not_followed() -> None:
    gap = head(5, deltas=(payload(5, 4, 1),))
    assert feed.way(gap, Floor("one", 2)) == (gap.snapshot,)
    circle = head(5, deltas=(payload(3, 3, 1), payload(2, 3, 1)))
    assert feed.way(circle, Floor("one", 3)) == (circle.snapshot,)
