"""Settings of a shop: defaults, then a TOML file, then environment variables.

    [orders]
    shipping_fee = 600            # MAKEGOOD_ORDERS_SHIPPING_FEE=600 says the same, and wins

A section is a service or another part; its keys are the fields of that part's settings class, which documents them.
Names may be written as the users of the real servers write them: a hyphen is an underscore, and a table in a table
is the beginning of a name: `[rocketmq.producer] group = "shop"` is the setting `producer_group` of `[rocketmq]`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, cast

import msgspec

PREFIX = "MAKEGOOD_"
SECTIONS = (
    "orders",
    "stock",
    "payments",
    "alipay",
    "wechatpay",
    "stripe",
    "sandbox",
    "web",
    "gateway",
    "database",
    "rocketmq",
    "dubbo",
    "observe",
)


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


T = TypeVar("T", bound=_Dataclass)


class ConfigError(Exception):
    """A setting cannot be used; the message says which and why."""


class Config:
    """What was configured, section by section, before it is checked."""

    def __init__(self, sections: Mapping[str, Any] | None = None) -> None:
        self._sections: dict[str, dict[str, Any]] = {}
        for name, values in (sections or {}).items():
            if name not in SECTIONS or not isinstance(values, dict):
                raise ConfigError(f"no such section: {name}; there are {', '.join(f'[{one}]' for one in SECTIONS)}")
            self._sections[name] = _flat(cast("dict[str, Any]", values))

    @classmethod
    def load(cls, file: Path | None, environment: Mapping[str, str]) -> "Config":
        """Reads the file (if any), then the environment. Raises ConfigError."""
        config = cls(_read(file) if file else {})
        for name, value in sorted(environment.items()):
            if name.startswith(PREFIX):
                config._override(name, value)
        return config

    def section(self, name: str, kind: type[T], **defaults: Any) -> T:
        """The section as its settings class; `defaults` stand where nothing is configured. Raises ConfigError."""
        values = {**defaults, **self._sections.get(name, {})}
        known = {field.name for field in fields(kind)}
        for key in values:
            if key not in known:
                raise ConfigError(f"[{name}] has no setting {key!r}; there are {', '.join(sorted(known))}")
        try:
            return msgspec.convert(values, kind, strict=False, dec_hook=_other)
        except (msgspec.ValidationError, ValueError) as error:
            raise ConfigError(f"[{name}]: {error}") from error

    def __contains__(self, name: str) -> bool:
        """Whether anything of this section is configured."""
        return name in self._sections

    def _override(self, name: str, value: str) -> None:
        section, _, key = name.removeprefix(PREFIX).lower().partition("_")
        if section not in SECTIONS or not key:
            raise ConfigError(f"{name}: write {PREFIX}SECTION_KEY, where SECTION is one of {', '.join(SECTIONS)}")
        self._sections.setdefault(section, {})[key] = value


def _other(kind: type[Any], value: object) -> Any:
    """What TOML has no type for."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"give a {kind.__name__}")


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The settings of a section, those of the tables in it under longer names."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = prefix + key.replace("-", "_")
        flat.update(_flat(cast("dict[str, Any]", value), f"{name}_") if isinstance(value, dict) else {name: value})
    return flat


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error
