"""What second line is told about the kinds of radiation, and whether a medical explanation fits its time. Pure.

Nothing here decides: the verdict stays STOP whatever is found, and no advice says that anybody may go. An explanation
that does not fit is told as such.

How long a portal may see a patient is computed. The body holds, t days after a procedure, `activity * 2 ** (-t / T)`,
and of each decay `photons` leave it. It is seen as long as that makes at least `SEEN_PER_S` photons a second:

    days = T * log2(activity * photons / SEEN_PER_S)

With the physical half-life for T nothing is ever excreted: later than that is not plausible. With the effective
half-life, 1 / (1 / physical + 1 / biological), it is what is usual. Where longer times were published than come out
here, those count. Assumptions, all ours: an adult, the largest usual activity, no shielding by the body (which makes
the time longer than it is), and `SEEN_PER_S`: with it the formula comes within a factor of about two of what was
published (docs/radiation.md has both).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from failsafe.sync.reports import Category, Explanation

SEEN_PER_S: Final = 100_000.0


@dataclass(frozen=True, slots=True)
class Medicine:
    """A nuclide in medicine: physics, and what is done with it.

    Attributes:
        half_life_d: physical, in days.
        activity_mbq: the largest usual one.
        photons: that leave the body by each decay, roughly.
        biological_d: half-life of what stays in the body; None where what stays is not lost.
        published_d: the longest time after which devices were reported to alarm (docs/radiation.md says by whom).
    """

    name: str
    procedures: str
    half_life_d: float
    activity_mbq: float
    photons: float
    biological_d: float | None = None
    published_d: float | None = None

    @property
    def effective_d(self) -> float:
        """Effective half-life in days."""
        lost = 1 / self.biological_d if self.biological_d else 0.0
        return 1 / (1 / self.half_life_d + lost)

    @property
    def usual_d(self) -> float:
        """Until when a portal usually sees it, in days."""
        return max(self._days(self.effective_d), self.published_d or 0.0)

    @property
    def latest_d(self) -> float:
        """Until when a portal could see it though the body lost nothing, in days."""
        return max(self._days(self.half_life_d), self.published_d or 0.0)

    def _days(self, half_life_d: float) -> float:
        return half_life_d * max(math.log2(self.activity_mbq * 1e6 * self.photons / SEEN_PER_S), 0.0)


# Half-lives and yields: well-known physics. Biological half-lives: of the part that stays longest.
MEDICINES: Final = {
    "Tc-99m": Medicine(
        "Technetium-99m", "Scan of bones, heart, thyroid, kidneys or lungs", 0.2503, 1100, 0.89, published_d=6
    ),
    "F-18": Medicine("Fluorine-18", "PET scan", 0.0762, 400, 1.94, published_d=1),
    "I-131": Medicine("Iodine-131", "Treatment or scan of the thyroid", 8.025, 7400, 1.0, 80, published_d=95),
    "I-123": Medicine("Iodine-123", "Scan of the thyroid, the brain or the heart", 0.5508, 400, 0.83, published_d=3),
    "Tl-201": Medicine("Thallium-201", "Scan of the heart", 3.043, 150, 1.0, 10, published_d=61),
    "Ga-67": Medicine("Gallium-67", "Search for an inflammation or a tumour", 3.262, 400, 0.77, 25, published_d=30),
    "Ga-68": Medicine("Gallium-68", "PET scan", 0.0470, 200, 1.78),
    "In-111": Medicine("Indium-111", "Search for an inflammation or a tumour", 2.805, 200, 1.85, published_d=17),
    "Lu-177": Medicine("Lutetium-177", "Treatment of a tumour", 6.647, 7400, 0.17, 6),
    "Ra-223": Medicine("Radium-223", "Treatment of the bones", 11.43, 4, 1.0),
    "Sm-153": Medicine("Samarium-153", "Treatment of the bones", 1.928, 2600, 0.3),
    "Y-90": Medicine("Yttrium-90", "Treatment of the liver, a joint or a tumour", 2.668, 3000, 0.01),
    "I-125": Medicine("Iodine-125", "Implanted seeds, often in the prostate", 59.4, 2000, 0.1),
    "Se-75": Medicine("Selenium-75", "Test of the bile acids", 119.8, 0.4, 1.7),
}
LONGEST_D: Final = 3650.0


def explained(nuclide: str, days: float, *, neutrons: bool = False) -> Explanation | None:
    """How well a procedure so many days ago explains the alarm; None for a nuclide that is not in the table.

    No procedure explains neutrons.
    """
    medicine = MEDICINES.get(nuclide)
    if medicine is None:
        return None
    if neutrons or days > medicine.latest_d:
        return "implausible"
    return "plausible" if days <= medicine.usual_d else "unusual"


@dataclass(frozen=True, slots=True)
class Guidance:
    """One category for an officer who is no physicist: what it means, what to ask, what to look at, what to do next."""

    means: str
    ask: str
    look: str
    then: str


NEUTRONS: Final = (
    "Neutron alarm: keep everybody away, touch and open nothing, telephone the CCC now. "
    "No examination and no natural goods explain neutrons."
)
GUIDANCE: Final[dict[Category, Guidance]] = {
    "norm": Guidance(
        "Goods that are a little radioactive by nature: ceramics, stone, fertiliser, sand, glass.",
        "What is the load, from where, and where are its papers?",
        "The whole load shows it evenly, and papers and load agree.",
        "Telephone the CCC, say what the load is, and wait for their answer.",
    ),
    "medical": Guidance(
        "A person who was examined or treated with something radioactive.",
        "Which examination, with what, on which day? Is there a letter from the hospital?",
        "The person alone shows it, without luggage and vehicle.",
        "Fill in substance and days. Telephone the CCC, and wait for their answer.",
    ),
    "industrial": Guidance(
        "A source for work: for weld tests, fill levels, soil, or on its way to a hospital.",
        "Whose is it, where does it go, and where is the paper for dangerous goods?",
        "The trefoil sign, a heavy container, one spot that is much stronger than the rest.",
        "Open nothing, keep everybody away from that spot, telephone the CCC now.",
    ),
    "nuclear": Guidance(
        "Uranium, plutonium, or anything that gives off neutrons.",
        "Nothing that keeps you near: distance comes first.",
        "From a distance only: which vehicle, which container, who came with it.",
        "Keep everybody away, touch and open nothing, telephone the CCC now.",
    ),
    "contaminated": Guidance(
        "Radioactive dust or pieces in scrap, timber, food, on clothes or on the vehicle.",
        "Where was it loaded, and what was carried before?",
        "Several spots show it, perhaps also the empty vehicle or hands and shoes.",
        "Touch nothing, eat and drink nothing there, keep it where it is, telephone the CCC now.",
    ),
    "unknown": Guidance(
        "Nothing that was said or seen explains it.",
        "What do you carry? Were you in a hospital this year?",
        "Person, luggage and vehicle one by one, each with its own passage.",
        "Keep traveller and vehicle here, telephone the CCC now.",
    ),
    "instrument": Guidance(
        "The portal itself is wrong: its counts make no sense, or its line fails.",
        "Has the technician worked on it? Do empty passages alarm too?",
        "The detector's state on this page, and a second device.",
        "Screen once more with another device. Telephone the CCC and the technician.",
    ),
}
