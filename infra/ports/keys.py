"""The keys of another issuer, as the API sees them; `infra.adapters.jwks` fetches the real ones."""


class KeysUnavailable(Exception):
    """The publisher does not answer, or not with keys; continue with the known keys."""
