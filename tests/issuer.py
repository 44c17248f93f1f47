"""A real issuer for tests: an HTTP server on this machine that gives out keys, or fails to."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


class Issuer:
    """Signs tokens and serves a JWK Set. ``mood`` is what it does when asked for the set."""

    def __init__(self) -> None:
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.mood = "answers"
        self.asked = 0
        self.go_on = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.issuer = f"{self.url}/tenant/v2.0"
        self.rotate()

    def rotate(self) -> str:
        """A new key that signs; those from before are gone. Returns its id."""
        kid = uuid.uuid4().hex
        self.keys = {kid: rsa.generate_private_key(public_exponent=65537, key_size=2048)}
        return kid

    def document(self) -> dict:
        keys = []
        for kid, key in self.keys.items():
            numbers = key.public_key().public_numbers()
            keys.append({"kty": "RSA", "use": "sig", "kid": kid} | jwk_numbers(numbers))
        return {"keys": keys}

    def token(self, app_id: object, roles: list[str], *, headers=None, key=None, **claims) -> str:
        """A version 2 app-only token; a claim of None is left out."""
        now = int(time.time())
        kid, own = next(iter(self.keys.items()))
        content = {
            "aud": "api://connectors",
            "iss": self.issuer,
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "ver": "2.0",
            "azp": str(app_id),
            "azpacr": "1",
            "sub": str(uuid.uuid4()),
            "tid": str(uuid.uuid4()),
            "roles": roles,
        } | claims
        content = {name: value for name, value in content.items() if value is not None}
        return jwt.encode(content, key or own, "RS256", headers={"kid": kid} | (headers or {}))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                if issuer.mood == "hangs":
                    issuer.go_on.wait(20)
                body = json.dumps(issuer.document()).encode()
                if issuer.mood == "babbles":
                    body = b"<html>maintenance</html>"
                if issuer.mood == "is empty":
                    body = b'{"keys": []}'
                self.send_response({"breaks": 500, "redirects": 302}.get(issuer.mood, 200))
                if issuer.mood == "redirects":
                    self.send_header("Location", f"{issuer.url}/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if issuer.mood == "stops halfway":
                    body = body[:20]
                with suppress(OSError):  # who asked may have gone
                    self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        return Handler


def jwk_numbers(numbers: rsa.RSAPublicNumbers) -> dict[str, str]:
    def text(number: int) -> str:
        data = number.to_bytes((number.bit_length() + 7) // 8, "big")
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    return {"n": text(numbers.n), "e": text(numbers.e)}


@contextmanager
def running() -> Iterator[Issuer]:
    issuer = Issuer()
    thread = threading.Thread(target=issuer.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        issuer.go_on.set()
        issuer.server.shutdown()
        issuer.server.server_close()
        thread.join()
