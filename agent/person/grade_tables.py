"""Points from which a candidate is possible or strong, by `make calibrate`. Do not edit: run it again.

Of 100,000 innocents 45 may become possible, 5 strong, 450 possible by the nuclear tier, and
fewer where the least points are reached first. Seed 707. With 95 % bounds came, of 100,000:
    - 500 persons, 15,000 innocents: possible 1 to 38, strong 0 to 26
    - 5,000 persons, 40,000 innocents: possible 28 to 71, strong 0 to 14
    - 50,000 persons, 15,000 innocents: possible 18 to 87, strong 0 to 26
    - NUCLEAR: 500 persons, 15,000 innocents, 14 to 78
NAMES: spellings on the list. POSSIBLE, STRONG: points for that size. NUCLEAR: points for the nuclear tier.
"""

from typing import Final

NAMES: Final = (830, 8362, 82802)
POSSIBLE: Final = (1.0, 3.72, 4.61)
STRONG: Final = (4.5, 4.5, 4.87)
NUCLEAR: Final = 0.5
