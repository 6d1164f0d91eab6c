"""Which samples of many are taken: by chance from a seed, yet spread over all of them."""

from __future__ import annotations

from random import Random


def choose(total: int, wanted: int, seed: int) -> tuple[int, ...]:
    """At most ``wanted`` different numbers below ``total``, ascending, the same for a seed.

    One is drawn from each of ``wanted`` equal stretches, so that data sorted by class gives every
    class its share. `random.Random.random` is the one draw that Python keeps across versions.
    """
    if total <= wanted:
        return tuple(range(total))
    chance = Random(seed)
    edges = [total * number // wanted for number in range(wanted + 1)]
    return tuple(
        start + int(chance.random() * (stop - start))
        for start, stop in zip(edges, edges[1:], strict=False)
    )
