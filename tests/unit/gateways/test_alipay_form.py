"""The form of a notification is read as the standard library reads it, strictly."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.shop.payments.gateways.alipay_notification import MAX_FIELDS, read_form

FORMS = st.text(st.sampled_from("ab=&+%2C0é;\x00"), max_size=40) | st.text(max_size=40)


@given(FORMS)
def test_as_the_standard_library(text: str) -> None:
    """The same fields in the same order, or a refusal where it refuses."""
    try:
        expected = parse_qsl(text, True, True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            read_form(text)
    else:
        assert read_form(text) == expected


def test_fields_are_bounded() -> None:
    """One field more than allowed refuses the form."""
    assert len(read_form("&".join(["a=1"] * MAX_FIELDS))) == MAX_FIELDS
    with pytest.raises(ValueError, match="too many"):
        read_form("&".join(["a=1"] * (MAX_FIELDS + 1)))
