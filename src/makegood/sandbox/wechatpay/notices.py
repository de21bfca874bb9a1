"""Notifications: a sealed resource, signed; answered by 200 or 204, or sent again on the ladder."""

import base64
import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec

from makegood.sandbox.faults import Kind
from makegood.sandbox.letters import Letter, Moments, tampered
from makegood.sandbox.notifications import Due
from makegood.sandbox.signing import Signer

from .merchant import Key, Merchant, beijing_rfc3339
from .refunds import ACCOUNT, amounts
from .sealing import sealed
from .transactions import details_of, paid_fields

PROBE: Final = "WECHATPAY/SIGNTEST/"
STALE_MILLISECONDS: Final = 24 * 3600 * 1000
_SUMMARIES: Final = {"SUCCESS": "退款成功", "ABNORMAL": "退款异常", "CLOSED": "退款关闭"}
_TWISTS: Final = (
    Kind.STALE,
    Kind.TAMPER,
    Kind.WRONG_AMOUNT,
    Kind.SIGNTEST,
    Kind.UNKNOWN_SERIAL,
    Kind.KEY_ROTATION,
)


class Notices:
    """How WeChat Pay notifies a merchant."""

    ladder: tuple[int, ...] = tuple(
        seconds * 1000
        for seconds in (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, *(3 * 3600,) * 3, *(6 * 3600,) * 2)
    )
    timeout: float = 5.0
    twists: frozenset[Kind] = frozenset(_TWISTS)

    def __init__(self, merchant: Merchant, signer: Signer) -> None:
        self._merchant = merchant
        self._signer = signer

    async def write(self, due: Due, moments: Moments, twist: str = "") -> Letter:
        """The letter of an attempt; with a twist it is false in that way."""
        body = msgspec.json.encode(self._content(due, twist))
        stamp = moments.stamp - STALE_MILLISECONDS if twist == Kind.STALE else moments.stamp
        nonce = _token(self._merchant, due, f"nonce {twist} {moments.stamp}")[:32].upper()
        key = self._key(due, twist)
        signature = await self._signer.sign(f"{stamp // 1000}\n{nonce}\n".encode() + body + b"\n", key.key)
        if twist == Kind.TAMPER:
            body = tampered(body, due)
        return Letter(due.url, _headers(stamp, nonce, *self._falsified(due, twist, key.serial, signature)), body)

    def accepts(self, status: int, answer: bytes) -> bool:
        """Whether the merchant's answer ends the ladder: whatever it says, its status counts."""
        del answer
        return status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT)

    def identify(self, due: Due) -> str:
        """The notification's number, the same at every attempt."""
        token = _token(self._merchant, due, "id")
        return "-".join((token[:8], token[8:12], token[12:16], token[16:20], token[20:32]))

    def _key(self, due: Due, twist: str) -> Key:
        if twist == Kind.KEY_ROTATION:
            return self._merchant.next_key
        return self._merchant.key_for(details_of(due.trade).serial)

    def _falsified(self, due: Due, twist: str, serial: str, signature: str) -> tuple[str, str]:
        """The serial and the signature that are sent."""
        if twist == Kind.SIGNTEST:
            return serial, PROBE + base64.b64encode(_token(self._merchant, due, "probe").encode()).decode()
        if twist == Kind.UNKNOWN_SERIAL:
            return _token(self._merchant, due, "serial")[:40].upper(), signature
        return serial, signature

    def _content(self, due: Due, twist: str) -> dict[str, object]:
        what = "refund" if due.refund else "transaction"
        wrong = twist == Kind.WRONG_AMOUNT
        resource = msgspec.json.encode(self._refund(due, wrong=wrong) if due.refund else self._paid(due, wrong=wrong))
        nonce = _token(self._merchant, due, f"resource {wrong}")[:12]
        identity = self.identify(due)
        return {
            "id": f"{'0' if identity[0] == 'f' else 'f'}{identity[1:]}" if wrong else identity,
            "create_time": beijing_rfc3339(due.notification.created_at),
            "resource_type": "encrypt-resource",
            "event_type": f"REFUND.{due.refund.outcome}" if due.refund else "TRANSACTION.SUCCESS",
            "summary": _SUMMARIES[due.refund.outcome] if due.refund else "支付成功",
            "resource": {"original_type": what, **sealed(self._merchant.account.api_v3_key, nonce, what, resource)},
        }

    def _paid(self, due: Due, *, wrong: bool) -> dict[str, object]:
        trade = due.trade if not wrong else msgspec.structs.replace(due.trade, amount=1 if due.trade.amount > 1 else 2)
        account = self._merchant.account
        return {
            "appid": account.appid,
            "mchid": account.mchid,
            "out_trade_no": trade.out_trade_no,
            "attach": details_of(trade).attach,
            "trade_state": "SUCCESS",
            "trade_state_desc": "支付成功",
            "promotion_detail": [],
            **paid_fields(self._merchant, trade),
        }

    def _refund(self, due: Due, *, wrong: bool) -> dict[str, object]:
        assert due.refund is not None
        made = due.refund
        said = amounts(due.trade, made)
        if wrong:
            said["refund"] = said["payer_refund"] = 1 if made.amount > 1 else 2
        fields: dict[str, object] = {
            "mchid": self._merchant.account.mchid,
            "transaction_id": self._merchant.transaction_id(due.trade),
            "out_trade_no": due.trade.out_trade_no,
            "refund_id": self._merchant.refund_id(made),
            "out_refund_no": made.request_no,
            "refund_status": made.outcome,
            "user_received_account": ACCOUNT,
            "amount": said,
        }
        done = made.outcome == "SUCCESS"
        return fields | {"success_time": beijing_rfc3339(made.settles_at)} if done else fields


def _headers(stamp: int, nonce: str, serial: str, signature: str) -> Mapping[str, str]:
    return {
        "Content-Type": "application/json",
        "Wechatpay-Timestamp": str(stamp // 1000),
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": signature,
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }


def _token(merchant: Merchant, due: Due, purpose: str) -> str:
    """64 hexadecimal digits, always the same for a notification and a purpose, and nobody else's."""
    secret = f"{merchant.account.api_v3_key} {due.notification.id} {due.notification.created_at} {purpose}"
    return hashlib.sha256(secret.encode()).hexdigest()
