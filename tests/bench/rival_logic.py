"""Asked by tests/bench/rival.py, in the rivals' environment: logic-v2's score of each pair of names.

In: one JSON list a line, two names. Out: one number a line, and at the end an object with the name and the version of
who answered and the processor's microseconds a pair, from two texts to a score. Imports nothing of the house.
"""

import json
import sys
import time
import types
from importlib.metadata import version


class Transliterator:
    """Stands where PyICU's would, which has no wheel; logic-v2 prepares two of them and uses none."""

    def __init__(self, rules: str) -> None:
        self.rules = rules

    @classmethod
    def createInstance(cls, rules: str) -> "Transliterator":
        return cls(rules)

    def transliterate(self, text: str) -> str:
        """Never a guess: a score that needed it would not be logic-v2's."""
        raise NotImplementedError("logic-v2 asks PyICU after all; it must be installed with its C++ library")


def main() -> None:
    icu = types.ModuleType("icu")
    icu.Transliterator = Transliterator  # type: ignore[attr-defined]
    sys.modules["icu"] = icu

    from followthemoney.proxy import EntityProxy
    from nomenklatura.matching.logic_v2.model import LogicV2

    config = LogicV2.default_config()

    def person(key: str, name: str) -> EntityProxy:
        return EntityProxy.from_dict({"id": key, "schema": "Person", "properties": {"name": [name]}})

    def score(number: int, query: str, candidate: str) -> float:
        # Names that were analysed are remembered by id: each pair has its own, as a new traveller would.
        one, other = person(f"q{number}", query), person(f"c{number}", candidate)
        return float(LogicV2.compare(one, other, config).score)

    score(-1, "Example Person", "Another Example")  # its lists of names load at the first question
    pairs = [json.loads(line) for line in sys.stdin]
    began_at = time.process_time()
    scores = [score(number, query, candidate) for number, (query, candidate) in enumerate(pairs)]
    took = time.process_time() - began_at
    for each in scores:
        print(json.dumps(each))
    name = f"nomenklatura {version('nomenklatura')} logic-v2"
    print(json.dumps({"name": name, "us_a_pair": 1e6 * took / max(len(pairs), 1)}))


if __name__ == "__main__":
    main()
