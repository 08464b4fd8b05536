"""The key of e-mail addresses: an address becomes an HMAC-SHA256, so that systems can be matched without it.

The key reaches the engine as parameters of a query only: no SQL text, no table and no message holds it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

_BLOCK = 64  # bytes of a SHA-256 block, RFC 2104


@dataclass(frozen=True, slots=True)
class EmailKey:
    """A secret, or none."""

    secret: str = field(default="", repr=False)

    @property
    def parameters(self) -> dict[str, bytes]:
        """What a query with `hash_sql` in it is executed with."""
        if not self.secret:
            return {}
        key = self.secret.encode()
        block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        return {"inner_pad": bytes(sign ^ 0x36 for sign in block), "outer_pad": bytes(sign ^ 0x5C for sign in block)}

    def hash_sql(self, address: str) -> str:
        """The SQL of an address' hash, 64 hex digits; null without a key."""
        if not self.secret:
            return "cast(null as varchar)"
        # Null in, null out, which the engine's own concatenation of blobs gives.
        inner = f"sha256($inner_pad :: blob || encode({address}))"
        return f"sha256($outer_pad :: blob || unhex({inner}))"
