"""Points from which a candidate is possible or strong, by `make calibrate`. Do not edit: run it again.

Of 100,000 innocents 30 may become possible, 5 strong, 300 possible by the nuclear tier, and
fewer where the least points are reached first. Seed 707. With 95 % bounds came, of 100,000:
    - 500 persons, 40,000 innocents: possible 14 to 46, strong 0 to 10
    - 5,000 persons, 40,000 innocents: possible 17 to 52, strong 0 to 10
    - 50,000 persons, 40,000 innocents: possible 17 to 52, strong 1 to 18
    - NUCLEAR: 500 persons, 15,000 innocents, 32 to 114
NAMES: spellings on the list. POSSIBLE, STRONG: points for that size. NUCLEAR: points for the nuclear tier.
"""

from typing import Final

NAMES: Final = (830, 8362, 82802)
POSSIBLE: Final = (1.0, 3.45, 4.42)
STRONG: Final = (5.0, 5.0, 5.0)
NUCLEAR: Final = 0.5
