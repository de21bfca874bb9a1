"""The keys of the simulated merchants and platforms."""

import math

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from makegood.simulation.keys import BITS, EXPONENT, key

NAMES = ("one", "two", "three")


@pytest.mark.parametrize("name", NAMES)
def test_a_key_is_sound(name: str) -> None:
    """Its primes are primes by another test than that which found them, and its numbers fit together."""
    numbers = key(name).private_numbers()
    public = numbers.public_numbers
    assert public.n == numbers.p * numbers.q
    assert (public.n.bit_length(), public.e) == (BITS, EXPONENT)
    assert numbers.p != numbers.q
    for prime in (numbers.p, numbers.q):
        assert all(pow(base, prime - 1, prime) == 1 for base in (2, 3, 5, 7, 11, 13))
    assert numbers.d * EXPONENT % math.lcm(numbers.p - 1, numbers.q - 1) == 1


def test_a_key_signs() -> None:
    """What it signs its own public key proves, and no other."""
    mine, other = key("one"), key("two")
    signature = mine.sign(b"paid", PKCS1v15(), SHA256())
    mine.public_key().verify(signature, b"paid", PKCS1v15(), SHA256())
    for public, text in ((other.public_key(), b"paid"), (mine.public_key(), b"refunded")):
        with pytest.raises(InvalidSignature):
            public.verify(signature, text, PKCS1v15(), SHA256())


def test_a_name_has_one_key() -> None:
    """The same name has the same key in every run; different names have different ones."""
    first = {name: key(name).private_numbers() for name in NAMES}
    key.cache_clear()
    assert {name: key(name).private_numbers() for name in NAMES} == first
    assert len({numbers.p for numbers in first.values()} | {numbers.q for numbers in first.values()}) == 2 * len(NAMES)
