"""A merchant of the sandbox: signs requests, checks answers, and hears notifications."""

import base64
import json
import queue
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import httpx
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from makegood.keys import load_private_key, load_public_key
from tests.support.sandbox import SandboxProcess

Form = dict[str, str]
http = httpx.Client(timeout=15)


class Client:
    """Speaks to the gateway as a shop would, written apart from the sandbox's own code."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.settings = sandbox.alipay
        self._key = load_private_key(self.settings["merchant_private_key"])
        self._platform_key = load_public_key(self.settings["platform_public_key"])

    def form(self, method: str, content: object, **more: str) -> Form:
        """The signed parameters of a request."""
        parameters = {
            "app_id": self.settings["app_id"],
            "method": method,
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": "2026-11-22 12:00:00",
            "version": "1.0",
            "biz_content": json.dumps(content, ensure_ascii=False),
            **more,
        }
        return self.sign(parameters)

    def sign(self, parameters: Form) -> Form:
        """Adds the signature to parameters without one."""
        text = "&".join(f"{key}={value}" for key, value in sorted(parameters.items()) if value)
        signature = self._key.sign(text.encode(), PKCS1v15(), SHA256())
        return {**parameters, "sign": base64.b64encode(signature).decode()}

    def post(self, form: Form) -> httpx.Response:
        """The gateway's raw answer."""
        return http.post(self.settings["gateway"], data=form)

    def call(self, method: str, content: object, **more: str) -> dict[str, Any]:
        """The answer's inner object, its signature verified over the raw JSON."""
        raw = self.post(self.form(method, content, **more)).text
        name = method.replace(".", "_") + "_response"
        inner = raw[len(f'{{"{name}":') : raw.rindex(',"sign":')]
        signature = base64.b64decode(json.loads(raw)["sign"])
        self._platform_key.verify(signature, inner.encode(), PKCS1v15(), SHA256())
        return json.loads(inner)

    def precreate(self, number: str, amount: str = "20.00", notify_url: str = "", **more: str) -> str:
        """Makes a trade and returns its cashier's page."""
        content = {"out_trade_no": number, "total_amount": amount, "subject": "Two apples", **more}
        answer = self.call("alipay.trade.precreate", content, **({"notify_url": notify_url} if notify_url else {}))
        assert answer["code"] == "10000", answer
        return answer["qr_code"]

    def press(self, cashier: str, action: str) -> httpx.Response:
        """What a button of the cashier's page does."""
        return http.post(cashier, data={"action": action})

    def is_genuine(self, notice: Form) -> bool:
        """Whether the platform signed that notification."""
        covered = sorted((k, v) for k, v in notice.items() if k not in ("sign", "sign_type"))
        text = "&".join(f"{key}={value}" for key, value in covered)
        self._platform_key.verify(base64.b64decode(notice["sign"]), text.encode(), PKCS1v15(), SHA256())
        return True


class Receiver:
    """A shop's callback address: answers as it is told, and keeps what it hears."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answer = "success"
        self.status = 200
        self._heard: queue.Queue[Form] = queue.Queue()

    def heard(self, body: bytes) -> None:
        """Keeps a notification."""
        self._heard.put(dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)))

    def next(self, seconds: float = 10) -> Form:
        """The next notification."""
        return self._heard.get(timeout=seconds)

    def silent_for(self, seconds: float) -> bool:
        """Whether nothing is heard for that long."""
        try:
            self._heard.get(timeout=seconds)
        except queue.Empty:
            return True
        return False


@contextmanager
def receiving() -> Generator[Receiver]:
    """A callback address on the loopback, for as long as the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            receiver.heard(self.rfile.read(int(self.headers["Content-Length"])))
            answer = receiver.answer.encode()
            self.send_response(receiver.status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Keeps the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/notify")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
