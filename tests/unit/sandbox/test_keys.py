"""RSA keys in every shape in which platforms hand them out."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from makegood import keys

KEY = keys.generate_private_key()


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("bare", [True, False])
def test_private_key_is_read_in_every_shape(form: PrivateFormat, *, bare: bool) -> None:
    """PKCS#1 and PKCS#8, as PEM and as bare base64, are the same key."""
    encoding = Encoding.DER if bare else Encoding.PEM
    content = KEY.private_bytes(encoding, form, NoEncryption())
    text = base64.encodebytes(content).decode() if bare else content.decode()
    assert keys.load_private_key(text).private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize("form", [PublicFormat.PKCS1, PublicFormat.SubjectPublicKeyInfo])
@pytest.mark.parametrize("bare", [True, False])
def test_public_key_is_read_in_every_shape(form: PublicFormat, *, bare: bool) -> None:
    """PKCS#1 and SubjectPublicKeyInfo, as PEM and as bare base64, are the same key."""
    encoding = Encoding.DER if bare else Encoding.PEM
    content = KEY.public_key().public_bytes(encoding, form)
    text = base64.b64encode(content).decode() if bare else content.decode()
    assert keys.load_public_key(text).public_numbers() == KEY.public_key().public_numbers()


def test_what_is_written_can_be_read() -> None:
    """A key survives being written as PEM."""
    assert keys.load_private_key(keys.private_pem(KEY)).private_numbers() == KEY.private_numbers()
    public = KEY.public_key()
    assert keys.load_public_key(keys.public_pem(public)).public_numbers() == public.public_numbers()


def test_new_key_is_rsa_2048() -> None:
    """Keys have the size the platforms ask for."""
    assert KEY.key_size == 2048


def test_other_keys_are_refused() -> None:
    """A key that is too short, of another kind, or of the other half is refused with advice."""
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    curve = ec.generate_private_key(ec.SECP256R1())
    for key in (short, curve):
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        with pytest.raises(keys.InvalidKeyError, match="2048 bits: give its PEM"):
            keys.load_private_key(text)
    with pytest.raises(keys.InvalidKeyError):
        keys.load_public_key(keys.private_pem(KEY))
    with pytest.raises(keys.InvalidKeyError):
        keys.load_private_key(keys.public_pem(KEY.public_key()))


@given(st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()))
def test_garbage_is_refused(text: str) -> None:
    """Whatever is no key is refused as one, never with another exception."""
    for load in (keys.load_private_key, keys.load_public_key):
        with pytest.raises(keys.InvalidKeyError):
            load(text)
