"""What Prometheus reads of logins, on the hub's own /hub/metrics."""

from __future__ import annotations

from prometheus_client import Counter

from ..starts.metrics import registered

OK, REFUSED, THROTTLED = "ok", "refused", "throttled"

logins = registered(
    Counter(
        "jhaws_logins",
        "Logins with a password: ok, refused, or throttled, when the password was not looked at.",
        ("outcome",),
        registry=None,
    ),
    "jhaws_logins",
)
