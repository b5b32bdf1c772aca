"""Logging in, tokens, and joining the network, as a person and an attacker meet them."""

from __future__ import annotations

import httpx

from tests.api.front import PASSWORD, Front, an_email, bearer


async def test_smoke(front: Front, client: httpx.AsyncClient) -> None:
    token = await front.admin(client)
    me = await client.get("/api/me", headers=bearer(token))
    assert me.json()["kind"] == "admin"
    sponsor, code = await front.invite(client)
    joined = await client.post("/api/auth/register", json={"invite_code": code, "email": an_email(), "password": PASSWORD})
    assert joined.status_code == 201, joined.text
