"""RSA keys of the simulated merchants and platforms: the same in every run, and short, for signing is most of the cost.

They protect nothing. Primes are found as in every textbook: random odd numbers, sieved, then Miller-Rabin's test.
"""

from functools import lru_cache
from random import Random

from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicNumbers,
    rsa_crt_dmp1,
    rsa_crt_dmq1,
    rsa_crt_iqmp,
)

BITS = 1024
EXPONENT = 65_537
ROUNDS = 24
"""Of Miller-Rabin: a composite passes with a chance of 4^-24 at most."""


@lru_cache
def key(name: str) -> RSAPrivateKey:
    """The key of this name."""
    chance = Random(f"key of {name}")
    p, q = _prime(chance), _prime(chance)
    d = pow(EXPONENT, -1, (p - 1) * (q - 1))
    public = RSAPublicNumbers(EXPONENT, p * q)
    return RSAPrivateNumbers(p, q, d, rsa_crt_dmp1(d, p), rsa_crt_dmq1(d, q), rsa_crt_iqmp(p, q), public).private_key()


def _prime(chance: Random) -> int:
    while True:
        # The two highest bits are set, so that the product of two such primes has all of its bits.
        candidate = chance.getrandbits(BITS // 2) | (3 << BITS // 2 - 2) | 1
        if candidate % EXPONENT != 1 and all(candidate % small for small in _SMALL) and _passes(candidate, chance):
            return candidate


def _passes(candidate: int, chance: Random) -> bool:
    odd, twos = candidate - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(_witnesses(candidate, odd, twos, chance.randrange(2, candidate - 1)) for _ in range(ROUNDS))


def _witnesses(candidate: int, odd: int, twos: int, base: int) -> bool:
    value = pow(base, odd, candidate)
    if value in (1, candidate - 1):
        return True
    for _ in range(twos - 1):
        value = value * value % candidate
        if value == candidate - 1:
            return True
    return False


_SMALL = [number for number in range(3, 2_000, 2) if all(number % other for other in range(3, int(number**0.5) + 1, 2))]
