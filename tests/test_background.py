"""What the booth holds of a background: means, how surely, forgetting, cut decimals, quiet occupancies."""

from __future__ import annotations

import pytest

from failsafe.agent.radiation.background import GAMMA_MEMORY_S, NEUTRON_MEMORY_S, BackgroundBook


def gamma(*told):
    book = BackgroundBook(GAMMA_MEMORY_S)
    for panels in told:
        book.told(panels)
    return book


def test_nothing_is_known_before_anything_was_told():
    book = gamma()
    assert book.known is None
    book.counted((1, 2), 1.0)
    assert book.known is None


def test_the_mean_is_taken_panel_by_panel_and_is_known_ever_better():
    once, often = gamma((100.0, 50.0)), gamma(*[(100.0, 50.0)] * 50)
    for book in (once, often):
        assert book.known.panels_cps == pytest.approx((100.0, 50.0))
    assert once.known.counted_s == 20.0
    assert 60.0 < often.known.counted_s < 63.0
    assert often.known.cps == pytest.approx(150.0)


def test_it_follows_the_weather():
    book = gamma(*[(100.0,)] * 50, *[(130.0,)] * 36)  # rain for three minutes
    assert book.known.cps == pytest.approx(130.0, rel=0.02)


def test_other_panels_than_before_begin_anew_and_a_lost_line_forgets():
    book = gamma(*[(100.0, 100.0)] * 9, (100.0,))
    assert (book.known.panels_cps, book.known.counted_s) == ((100.0,), 20.0)
    book.forget()
    assert book.known is None


def test_cut_decimals_are_made_up_for_until_finer_means_come():
    book = BackgroundBook(NEUTRON_MEMORY_S, whole=True)
    book.told((3.0, 0.0, 2.0, 0.0))
    assert book.known.panels_cps == pytest.approx((3.7, 0.0, 2.7, 0.0))
    for _ in range(600):
        book.told((3.0, 0.0, 2.0, 0.0))
        book.told((3.9, 0.0, 2.9, 0.0))
    assert book.known.panels_cps == pytest.approx((3.9, 0.0, 2.9, 0.0), abs=0.01)


def test_quiet_occupancies_mend_what_was_cut_off():
    book = BackgroundBook(NEUTRON_MEMORY_S, whole=True)
    book.told((3.0, 2.0))
    for _ in range(100):
        for counts in ((3, 2), (3, 2), (4, 2)):
            book.counted(counts, 1.0)
    assert book.known.panels_cps == pytest.approx((3.36, 2.05), abs=0.1)
    held = book.known
    book.counted((1, 2, 3), 1.0)  # of another detector, as it seems
    assert book.known == held


def test_a_mean_cut_down_to_zeros_is_held_rather_too_high_until_it_comes_with_its_decimals():
    """A portal told `NB` of zeros for a day and counted 2.6 neutrons a second: held as zero, everything alarms."""
    book = BackgroundBook(NEUTRON_MEMORY_S, whole=True)
    for _ in range(100):
        book.told((0.0, 0.0, 0.0, 0.0))
    assert book.known.cps == pytest.approx(2.8)
    book.told_together(2.4)
    assert book.known.panels_cps == pytest.approx((0.6, 0.6, 0.6, 0.6))
    assert book.known.counted_s == 20.0
    book.told((0.0, 0.0, 0.0, 0.0))
    assert book.known.cps == pytest.approx(2.4)


def test_panels_share_what_is_told_of_all_as_they_were_told():
    book = BackgroundBook(NEUTRON_MEMORY_S, whole=True)
    book.told_together(2.0)
    assert book.known is None, "of how many panels nobody knows"
    book.told((3.3, 0.0, 1.1, 0.0))
    book.told_together(8.8)
    assert book.known.panels_cps == pytest.approx(
        ((3.3 * 20 + 6.6 * 5) / 25, 0.0, (1.1 * 20 + 2.2 * 5) / 25, 0.0), rel=0.02
    )
