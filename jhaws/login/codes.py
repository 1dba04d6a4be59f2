"""One-time codes, with which somebody sets a password without knowing the old one.

Pure functions. A code is 128 random bits, so nobody finds it by trying, and a plain SHA-256 is kept of it: slow hashes
are for what people think of, of which a list can be tried. It ends by being used, by a newer one, or after a day.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from urllib.parse import urlencode

CODE_BYTES = 16
# Characters between dashes, so that a code can be read out and typed.
GROUP = 5
# Characters; a code with its dashes has 31.
MAX_TYPED_LENGTH = 100
LASTS = timedelta(hours=24)
# For who has typed the shared password and is choosing an own one right now.
LASTS_AT_LOGIN = timedelta(minutes=15)
# The page's path below the hub's own prefix.
RESET_PATH = "jhaws/reset"


def make_code() -> str:
    """Make a code at random: letters and digits 2 to 7 in groups of five."""
    text = base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode().rstrip("=")
    return "-".join(text[place : place + GROUP] for place in range(0, len(text), GROUP))


def hash_code(code: str) -> str:
    """Return what is kept of a code; case, dashes, spaces and a 0 or 1 for the letter do not matter."""
    plain = "".join(code[:MAX_TYPED_LENGTH].upper().split()).replace("-", "").replace("0", "O").replace("1", "I")
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def is_right(code: str, *, code_hash: str | None, ends_at: datetime | None, now: datetime) -> bool:
    """Tell whether a typed code is worth something now.

    Args:
        code: Any text.
        code_hash: What is kept for the name; None for nothing.
        ends_at: Aware time from which it is worth nothing.
        now: Aware time.
    """
    same = hmac.compare_digest(hash_code(code), code_hash or hash_code(secrets.token_hex()))
    return same and code_hash is not None and ends_at is not None and now < ends_at


def make_link(hub_url: str, *, name: str, code: str) -> str:
    """Return the page's address with name and code behind the `#`, which browsers send to nobody.

    Args:
        hub_url: The hub's address or path, with a slash at its end: `/hub/`.
        name: The user's.
        code: From `make_code`.
    """
    return f"{hub_url}{RESET_PATH}#{urlencode({'name': name, 'code': code})}"
