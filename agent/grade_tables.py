"""Points from which a candidate is possible or strong, by `make calibrate`. Do not edit: run it again.

Of 100,000 innocents 45 may become possible, 5 strong, 450 possible by the nuclear tier, and
fewer where the least points are reached first. Seed 707. With 95 % bounds came, of 100,000:
    - 500 persons, 30,000 innocents: possible 16 to 57, strong 0 to 13
    - 5,000 persons, 60,000 innocents: possible 31 to 65, strong 2 to 15
    - 50,000 persons, 20,000 innocents: possible 24 to 86, strong 1 to 28
    - NUCLEAR: 500 persons, 60,000 innocents, 18 to 45
NAMES: spellings on the list. POSSIBLE, STRONG: points for that size. NUCLEAR: points for the nuclear tier.
"""

from typing import Final

NAMES: Final = (830, 8362, 82802)
POSSIBLE: Final = (1.0, 3.35, 5.35)
STRONG: Final = (4.5, 4.81, 5.72)
NUCLEAR: Final = 0.5
