"""The wait after failed logins, and requests to the login page."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.requests import network_of
from api.identity.lockout import ACCOUNT, waits_s
from api.identity.model import Attempts, Client
from api.identity.oauth import page
from api.identity.oauth.authorize import (
    AuthorizationRequest,
    PageError,
    RedirectError,
    RepeatedParameter,
    answer_uri,
    authorization_request_of,
    redirect_of,
    single,
)
from api.identity.oauth.clients import (
    Credentials,
    InvalidClient,
    MultipleCredentials,
    credentials_of,
    is_allowed_redirect,
)
from api.identity.opaque import challenge_of
from contracts.explanation.rule_phrases import Language
from tests.api.front import query_of

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
REDIRECT = "https://app.example/callback?tenant=1"
CLIENT = Client("app", '<b>"App"</b>', "public", NOW, redirect_uris=(REDIRECT, "com.example.app:/back"))
CHALLENGE = challenge_of("v" * 43)
PARAMETERS = {
    "response_type": "code",
    "client_id": "app",
    "redirect_uri": REDIRECT,
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "state": "xyz",
}


class TestWaiting:
    def test_after_a_few_failures_each_doubles_the_wait_to_a_limit(self) -> None:
        attempts, waits = Attempts("account:x", 0, NOW), []
        for _ in range(14):
            attempts = ACCOUNT.counted(attempts, NOW)
            waits.append(waits_s([attempts], NOW))
        assert waits == [0, 0, 0, 0, 15, 30, 60, 120, 240, 480, 900, 900, 900, 900]

    def test_failures_are_forgotten_after_a_day(self) -> None:
        many = Attempts("account:x", 40, expires_at=NOW)
        assert ACCOUNT.counted(many, NOW + timedelta(seconds=1)).failures == 1

    @given(st.integers(0, 10_000), st.integers(0, 100_000))
    def test_a_wait_is_never_longer_than_the_limit(self, failures: int, later_s: int) -> None:
        attempts = ACCOUNT.counted(Attempts("a", failures, NOW + timedelta(days=1)), NOW)
        wait_s = waits_s([attempts], NOW)
        assert 0 <= wait_s <= ACCOUNT.wait_max_s
        later = NOW + timedelta(seconds=later_s)
        assert waits_s([attempts], later) == max(0, wait_s - later_s)

    @pytest.mark.parametrize(
        ("address", "network"),
        [
            ("203.0.113.9", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("unix", "unknown"),
        ],
    )
    def test_an_ipv6_customer_is_one_network(self, address: str, network: str) -> None:
        assert network_of(address) == network


class TestAuthorizationRequest:
    def test_a_valid_request_is_parsed(self) -> None:
        requested = authorization_request_of(
            {**PARAMETERS, "scope": "orders:read orders:read"}, CLIENT, redirect_of(PARAMETERS, CLIENT)
        )
        assert (requested.challenge, requested.scope, requested.state) == (CHALLENGE, "orders:read", "xyz")
        assert single("&".join(f"{k}={v}" for k, v in {"a": "1", "b": "2"}.items())) == {"a": "1", "b": "2"}

    @pytest.mark.parametrize(
        "uri",
        [
            "",
            "https://app.example/callback",
            REDIRECT + "&x=1",
            REDIRECT + "/",
            REDIRECT.upper(),
            "https://app.example.evil.example/callback?tenant=1",
            "https://app.example@evil.example/callback?tenant=1",
            "https://app.example/callback/../x?tenant=1",
            "//app.example/callback?tenant=1",
        ],
    )
    def test_a_redirect_must_match_the_registered_one_exactly(self, uri: str) -> None:
        with pytest.raises(PageError):
            redirect_of({**PARAMETERS, "redirect_uri": uri}, CLIENT)

    @pytest.mark.parametrize(
        ("registered", "requested"),
        [
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"),
            ("http://127.0.0.1:8400/cb", "http://127.0.0.1:51004/cb"),
            ("http://127.0.0.1:8400/cb", "http://127.0.0.1/cb"),
            ("http://127.0.0.1/cb?x=1", "http://127.0.0.1:1/cb?x=1"),
            ("http://127.0.0.1", "http://127.0.0.1:65535"),
            ("http://[::1]/cb", "http://[::1]:51004/cb"),
            ("http://localhost:3000/cb", "http://localhost:3001/cb"),
        ],
    )
    def test_a_loopback_redirect_may_have_another_port(self, registered: str, requested: str) -> None:
        client = replace(CLIENT, redirect_uris=(REDIRECT, registered))
        assert redirect_of({**PARAMETERS, "redirect_uri": requested}, client) == requested

    @pytest.mark.parametrize(
        ("registered", "requested"),
        [
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/other"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb/"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb?x=1"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb#x"),
            ("http://127.0.0.1/cb", "https://127.0.0.1:51004/cb"),
            ("http://127.0.0.1/cb", "http://localhost:51004/cb"),
            ("http://127.0.0.1/cb", "http://[::1]:51004/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:５１/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:80@evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
            ("http://127.0.0.1", "http://127.0.0.1:80.evil.example"),
            ("https://app.example/cb", "https://app.example:8443/cb"),
            ("https://127.0.0.1/cb", "https://127.0.0.1:8443/cb"),
            ("com.example.app:/cb", "com.example.app:80/cb"),
        ],
    )
    def test_only_the_port_of_a_loopback_redirect_may_differ(self, registered: str, requested: str) -> None:
        with pytest.raises(PageError):
            redirect_of({**PARAMETERS, "redirect_uri": requested}, replace(CLIENT, redirect_uris=(registered,)))

    def test_an_unknown_client_is_an_error_on_the_page(self) -> None:
        for client in (None, replace(CLIENT, redirect_uris=())):
            with pytest.raises(PageError):
                redirect_of(PARAMETERS, client)

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"response_type": "code id_token"}, "unsupported_response_type"),
            ({"code_challenge": ""}, "invalid_request"),
            ({"code_challenge": "short"}, "invalid_request"),
            ({"code_challenge": CHALLENGE + "\n"}, "invalid_request"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"code_challenge_method": ""}, "invalid_request"),
            ({"response_mode": "fragment"}, "invalid_request"),
            ({"request_uri": "https://evil.example"}, "invalid_request"),
            ({"scope": "root:all"}, "invalid_scope"),
            ({"state": "x" * 3000}, "invalid_request"),
        ],
        ids=str,
    )
    def test_an_invalid_request_is_an_error_for_the_client(self, change: dict[str, str], error: str) -> None:
        with pytest.raises(RedirectError) as refused:
            authorization_request_of({**PARAMETERS, **change}, CLIENT, REDIRECT)
        assert refused.value.error == error

    def test_a_repeated_parameter_is_refused(self) -> None:
        with pytest.raises(RepeatedParameter):
            single("redirect_uri=https%3A%2F%2Fa&redirect_uri=https%3A%2F%2Fb")

    @given(st.text(max_size=40), st.text(max_size=40))
    def test_the_answer_goes_to_the_redirect_with_the_issuer(self, code: str, state: str) -> None:
        code, state = (text.encode("utf-8", "replace").decode() for text in (code, state))
        uri = answer_uri(REDIRECT, "https://id.example", state, code=code)
        parts = urlsplit(uri)
        assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("https", "app.example", "/callback", "")
        query = query_of(uri)
        assert (query["tenant"], query["iss"]) == ("1", "https://id.example")
        assert (query.get("code", ""), query.get("state", "")) == (code, state)


class TestClients:
    @pytest.mark.parametrize(
        ("uri", "allowed"),
        [
            ("https://app.example/cb", True),
            ("http://127.0.0.1:8000/cb", True),
            ("http://localhost/cb", True),
            ("com.example.app:/cb", True),
            ("http://app.example/cb", False),
            ("https://app.example/cb#x", False),
            ("https://user@app.example/cb", False),
            ("https:///cb", False),
            ("javascript:alert(1)", False),
            ("data:text/html,x", False),
            ("myapp:/cb", False),
            ("https://app.example/c b", False),
            ("https://app.example\\@evil.example/", False),
            ("", False),
        ],
    )
    def test_only_safe_redirects_can_be_registered(self, uri: str, allowed: bool) -> None:
        assert is_allowed_redirect(uri) is allowed

    def test_a_secret_comes_in_the_header_or_the_form_but_not_both(self) -> None:
        basic = "Basic " + b64encode(b"shop.s%2D1:p%2Bq%3A").decode()
        assert credentials_of(basic, {}) == Credentials("shop.s-1", "p+q:")
        assert credentials_of(None, {"client_id": "a", "client_secret": "b"}) == Credentials("a", "b")
        assert credentials_of(None, {"client_id": "a"}) == Credentials("a")
        with pytest.raises(MultipleCredentials):
            credentials_of(basic, {"client_secret": "b"})

    @pytest.mark.parametrize("header", ["Basic", "Basic !!", "Basic " + b64encode(b"nocolon").decode(), "Bearer x", ""])
    def test_an_unreadable_header_is_an_invalid_client(self, header: str) -> None:
        with pytest.raises(InvalidClient):
            credentials_of(header, {})

    def test_header_and_form_must_name_the_same_client(self) -> None:
        with pytest.raises(InvalidClient):
            credentials_of("Basic " + b64encode(b"a:b").decode(), {"client_id": "c"})


class TestPage:
    requested = AuthorizationRequest(
        CLIENT, REDIRECT, CHALLENGE, state='"><script>alert(1)</script>', scope="orders:read"
    )

    @pytest.mark.parametrize("language", ["en", "zh"])
    def test_all_input_is_escaped(self, language: Language) -> None:
        html = page.login_page(
            self.requested,
            "token",
            language,
            email='"><img src=x onerror=y>',
            alert="E-mail address or <b>password</b>.",
        )
        assert "<script" not in html
        assert "<img" not in html
        assert "<b>" not in html
        assert f'lang="{language}"' in html

    def test_a_logged_in_person_sees_no_password_field(self) -> None:
        html = page.login_page(self.requested, "token", "en", known_as="lin@example.com")
        assert 'type="password"' not in html
        assert "Continue as lin@example.com" in html

    def test_the_policy_allows_no_script_no_frame_and_one_form_target(self) -> None:
        policy = page.headers_for("https://app.example/cb?x=';script-src *")["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "form-action 'self' https://app.example;" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert (
            "form-action 'self' com.example.app:;"
            in page.headers_for("com.example.app:/back")["Content-Security-Policy"]
        )
