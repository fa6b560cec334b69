"""Who goes first where a verdict and the intake both want the interpreter."""

from __future__ import annotations

import threading

import pytest

from failsafe.agent import precedence
from failsafe.agent.precedence import Precedence


def test_nobody_waits_where_nobody_has_it() -> None:
    assert list(Precedence().giving("abc")) == ["a", "b", "c"]


def test_the_others_go_on_when_it_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedence, "LONGEST_S", 60.0)
    ours, done = Precedence(), threading.Event()

    def work() -> None:
        ours.give()
        done.set()

    with ours.taken():
        worker = threading.Thread(target=work)
        worker.start()
        assert not done.wait(0.1)
    assert done.wait(30.0)
    worker.join()


def test_it_is_let_go_where_matching_fails() -> None:
    ours = Precedence()
    with pytest.raises(ValueError), ours.taken():
        raise ValueError
    assert list(ours.giving((1, 2))) == [1, 2]


def test_work_comes_to_an_end_beside_somebody_who_never_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedence, "LONGEST_S", 0.001)
    ours = Precedence()
    with ours.taken():
        assert list(ours.giving(range(20))) == list(range(20))
