"""A small OpenID provider: discovery, code flow with PKCE, RS256 tokens by its own key. Anybody may be anyone."""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route


@dataclass
class Provider:
    """`accounts`: address -> whether the provider has verified it. `address` is where it listens, set once it does."""

    accounts: dict[str, bool]
    client: str = "a-study"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    address: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}))
    waiting: dict[str, dict[str, str]] = field(default_factory=dict)
    """Code -> what was asked for, once."""

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.discovery),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
                Route("/keys", lambda _: JSONResponse({"keys": [self.key.as_dict(private=False)]})),
            ]
        )

    def discovery(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.address,
                "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.address}/token",
                "jwks_uri": f"{self.address}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    def authorize(self, request: Request) -> Response:
        """A page with a link for each account; with `account` the way back with a code."""
        asked = dict(request.query_params)
        if asked["client_id"] != self.client or asked["response_type"] != "code":
            return Response("unknown client", 400)
        account = asked.pop("account", None)
        if account is None:
            links = (f"<a href='?{html.escape(urlencode({**asked, 'account': a}))}'>{a}</a><br>" for a in self.accounts)
            return HTMLResponse(f"<h1>Who are you?</h1>{''.join(links)}")
        code = secrets.token_urlsafe(16)
        self.waiting[code] = {**asked, "account": account}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 303)

    async def token(self, request: Request) -> Response:
        """The code once, from the client that asked, with the verifier of its challenge."""
        form = dict(await request.form())
        asked = self.waiting.pop(str(form.get("code")), None)
        expected = "Basic " + base64.b64encode(f"{self.client}:{self.password}".encode()).decode()
        verifier = str(form.get("code_verifier", "")).encode()
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        if asked is None or request.headers.get("authorization") != expected or digest != asked["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {
            "iss": self.address,
            "aud": self.client,
            "sub": hashlib.sha256(asked["account"].encode()).hexdigest(),
            "email": asked["account"],
            "email_verified": self.accounts[asked["account"]],
            "nonce": asked["nonce"],
            "iat": now,
            "exp": now + 300,
        }
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)
        return JSONResponse({"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "id_token": signed})
