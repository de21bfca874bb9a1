"""The sandbox's own page, for a person on this machine: trades, notifications with every attempt, faults, the clock."""

import hmac
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

import msgspec
from jinja2 import Environment, PackageLoader
from litestar import MediaType, Request, Response, get, post
from litestar.exceptions import ClientException, NotFoundException, PermissionDeniedException
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from litestar.response import Redirect

from .clock import MAX_ADVANCE_SECONDS, MAX_SPEED
from .control import ClockChange, Control, loopback_name, loopback_only
from .faults import EVERYWHERE, Faults, Kind, NotificationFault, Rule, written
from .page_views import Looks
from .trades import PLATFORMS, Choice

PAGE: Final = 50
FIRST: Final = 2**62
MAX_FORM_BYTES: Final = 4096
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
ADVANCES: Final = (
    ("15 seconds", 15),
    ("1 minute", 60),
    ("4 minutes", 240),
    ("15 minutes", 900),
    ("1 hour", 3600),
    ("6 hours", 21_600),
    ("1 day", 86_400),
)
_TEMPLATES: Final = Environment(
    loader=PackageLoader("makegood.sandbox"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
Before = Annotated[int, Parameter(ge=1, le=FIRST)]
Identity = Annotated[int, Parameter(ge=0, le=FIRST)]
Platform = Annotated[str, Parameter(pattern=r"^(alipay|wechatpay|stripe)?$")]
Form = Mapping[str, str]


class Page:
    """What the page's addresses do; `token` is what only a form of this page knows."""

    def __init__(self, control: Control, looks: Looks, token: str) -> None:
        self._control = control
        self._looks = looks
        self._token = token

    async def home(self, platform: str, before: int) -> Response[str]:
        """Trades, the newest first."""
        found = await self._looks.trades(Choice(platform), before, PAGE)
        return self._rendered(
            "trades.html",
            trades=found,
            platform=platform,
            platforms=PLATFORMS,
            older=found[-1].id if len(found) == PAGE else None,
            newest=before == FIRST,
        )

    async def trade(self, identity: int) -> Response[str]:
        """One trade with its notifications."""
        found = await self._looks.trade(identity)
        if found is None:
            raise NotFoundException("There is no such trade: it may be older than 90 days.")
        return self._rendered("trade.html", trade=found)

    def settings(self) -> Response[str]:
        """Faults and the clock."""
        faults = self._control.faults()
        return self._rendered(
            "settings.html",
            faults=faults,
            rules=[written(rule) for rule in faults.rules],
            kinds=list(Kind),
            modes=list(NotificationFault),
            platforms=(EVERYWHERE, *PLATFORMS),
            advances=ADVANCES,
            max_speed=MAX_SPEED,
        )

    async def change_clock(self, form: Form) -> None:
        """Moves the clock as a form says."""
        seconds = {"advance_seconds": _number(form, "advance", MAX_ADVANCE_SECONDS)} if "advance" in form else {}
        speed = {"speed": _number(form, "speed", MAX_SPEED)} if "speed" in form else {}
        await self._control.change_clock(_converted(seconds | speed, ClockChange))

    async def change_faults(self, form: Form) -> None:
        """Adds a rule, takes one away, or changes the seed, or what becomes of all notifications."""
        faults = self._control.faults()
        rules = [rule for rule in faults.rules if written(rule) != form.get("remove")]
        if "kind" in form:
            seconds = {"seconds": _number(form, "seconds", 3600)} if form.get("seconds") else {}
            said = {"kind": form["kind"], "platform": form.get("platform"), "probability": _number(form, "chance", 1)}
            rules.append(_converted(said | seconds, Rule))
        seed = int(_number(form, "seed", 2**53)) if form.get("seed") else faults.seed
        mode = form.get("notifications", faults.notifications)
        changed = {"notifications": mode, "rules": rules, "seed": seed}
        await self._control.change_faults(_converted(changed, Faults))

    async def resend(self, identity: int) -> int:
        """Has a notification sent again; the trade it is about."""
        await self._control.resend(identity)
        return await self._looks.trade_of(identity)

    async def form(self, request: Request[Any, Any, Any]) -> Form:
        """The fields of a form of this page. Raises PermissionDeniedException for one of another page."""
        try:
            fields = parse_qs((await request.body()).decode(), max_num_fields=20, keep_blank_values=True)
        except ValueError as error:
            raise ClientException("That is no form of this page: open it again.") from error
        form = {name: values[0] for name, values in fields.items()}
        if not hmac.compare_digest(form.get("token", "").encode(), self._token.encode()):
            raise PermissionDeniedException("That form is of another page, or of a sandbox before a restart: go back.")
        return form

    def _rendered(self, name: str, **values: object) -> Response[str]:
        text = _TEMPLATES.get_template(name).render(token=self._token, clock=self._control.clock(), **values)
        return Response(text, media_type=MediaType.HTML, headers=HEADERS)


def routes(page: Page) -> list[HTTPRouteHandler]:
    """The page's addresses."""
    guards = [loopback_only, loopback_name]

    @get("/", guards=guards)
    async def home(platform: Platform = "", before: Before = FIRST) -> Response[str]:
        return await page.home(platform, before)

    @get("/trades/{identity:int}", guards=guards)
    async def trade(identity: Identity) -> Response[str]:
        return await page.trade(identity)

    @get("/settings", guards=guards)
    async def settings() -> Response[str]:
        return page.settings()

    @post("/settings/clock", guards=guards, request_max_body_size=MAX_FORM_BYTES)
    async def clock(request: Request[Any, Any, Any]) -> Redirect:
        await page.change_clock(await page.form(request))
        return _see("/settings")

    @post("/settings/faults", guards=guards, request_max_body_size=MAX_FORM_BYTES)
    async def faults(request: Request[Any, Any, Any]) -> Redirect:
        await page.change_faults(await page.form(request))
        return _see("/settings")

    @post("/notifications/{identity:int}/resend", guards=guards, request_max_body_size=MAX_FORM_BYTES)
    async def resend(request: Request[Any, Any, Any], identity: Identity) -> Redirect:
        await page.form(request)
        return _see(f"/trades/{await page.resend(identity)}")

    return [home, trade, settings, clock, faults, resend]


def _see(path: str) -> Redirect:
    return Redirect(path, status_code=303)


def _number(form: Form, name: str, most: float) -> float:
    try:
        number = float(form.get(name, ""))
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise ClientException(f"{name} must be a number from 0 to {most:g}: go back.")
    return number


def _converted(values: object, kind: Any) -> Any:
    try:
        return msgspec.convert(values, type=kind)
    except msgspec.ValidationError as error:
        raise ClientException(f"That cannot be: {error}. Go back.") from error
