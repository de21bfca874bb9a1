"""Hypothesis: any value that a contract allows."""

import math
from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

INT64 = 2**63
SIMPLE = "az09_"
"""Characters that every pattern of the contracts allows: generating from the patterns is a hundred times slower."""
MOST = 2
"""Items in a list or map."""


@cache
def values_of(contract: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Values that msgspec accepts as this struct."""
    info = inspect.type_info(contract)
    assert isinstance(info, inspect.StructType)
    return _struct(info)


def _struct(info: inspect.StructType) -> st.SearchStrategy[Any]:
    return st.builds(info.cls, **{field.name: _value(field.type) for field in info.fields})


def _value(type_: inspect.Type) -> st.SearchStrategy[Any]:
    match type_:
        case inspect.StructType():
            return _struct(type_)
        case inspect.UnionType():
            return st.one_of([_value(one) for one in type_.types])
        case inspect.VarTupleType() | inspect.ListType():
            most = min(type_.max_length or MOST, MOST)
            items = st.lists(_value(type_.item_type), min_size=type_.min_length or 0, max_size=most)
            return items if isinstance(type_, inspect.ListType) else items.map(tuple)
        case inspect.DictType():
            return st.dictionaries(_value(type_.key_type), _value(type_.value_type), max_size=MOST)
        case inspect.LiteralType():
            return st.sampled_from(type_.values)
        case _:
            return _scalar(type_)


def _scalar(type_: inspect.Type) -> st.SearchStrategy[Any]:
    match type_:
        case inspect.IntType():
            least = -INT64 if type_.ge is None else type_.ge
            return st.integers(least, INT64 - 1 if type_.le is None else type_.le)
        case inspect.StrType(pattern=None):
            return st.text(min_size=type_.min_length or 0, max_size=min(type_.max_length or 8, 8))
        case inspect.StrType():
            return st.text(SIMPLE, min_size=type_.min_length or 0, max_size=8)
        case inspect.BoolType():
            return st.booleans()
        case inspect.BytesType():
            return st.binary(max_size=8)
        case inspect.FloatType():
            return st.floats(allow_nan=False, min_value=-math.inf)
        case inspect.NoneType():
            return st.none()
        case _:
            raise AssertionError(f"contracts have no {type_}")
