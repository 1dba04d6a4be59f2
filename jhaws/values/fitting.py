"""Values that are right each and wrong together, by what z2jh's chart makes of them.

Source:
    z2jh 4.4.0: templates/NOTES.txt, and the defaults of values.yaml that count where nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .masking import is_secret
from .places import Finding, Path, value_at
from .strangers import SECTIONS

PLACEHOLDERS: Path = ("scheduling", "userPlaceholder", "replicas")
SEATS: Path = ("hub", "config", "JhawsPlaceholder", "seats")
METADATA_RULE: Path = ("singleuser", "networkPolicy", "egressAllowRules", "cloudMetadataServer")
ROLE = "iam.amazonaws.com/role"
EXAMPLE = "replace-me"
STOCK_IMAGE = "jupyterhub/k8s-hub"


def find_misfits(values: Any, paths: Iterator[Path]) -> Iterator[Finding]:
    """Give what does not fit together.

    Args:
        values: Merged values.
        paths: Where something is written.
    """

    def at(*path: str | int) -> Any:
        return value_at(values, path)

    yield from _image(at)
    yield from _placeholders(at)
    yield from _metadata(at)
    if at("proxy", "https", "hosts") and not at("proxy", "https", "enabled"):
        yield Finding(
            ("proxy", "https"),
            "HTTPS is off: since z2jh 0.10.0 hosts do not turn it on. Write proxy.https.enabled: true.",
            serious=False,
        )
    for path in paths:
        value = value_at(values, path)
        if is_secret(path) and isinstance(value, str) and value.startswith(EXAMPLE):
            yield Finding(
                path, "This is the example's text, which all the world can read. Write one of your own.", serious=False
            )


def _image(at: Callable[..., Any]) -> Iterator[Finding]:
    ours = _our_sections(at("hub", "config"))
    if ours and str(at("hub", "image", "name")).endswith(STOCK_IMAGE):
        yield Finding(
            ("hub", "image", "name"),
            f"This is z2jh's own hub image, which has no jhaws: it would ignore {', '.join(ours)}. Write the name of "
            "the image that `make image` built.",
        )


def _our_sections(sections: Any) -> list[str]:
    return sorted(name for name in sections if name in SECTIONS) if isinstance(sections, dict) else []


def find_notes(values: Any) -> Iterator[str]:
    """Give what is no mistake, as another file may have it, and what would be one in all of a hub's values."""
    ours = _our_sections(value_at(values, ("hub", "config")))
    if ours and not value_at(values, ("hub", "image", "name")):
        yield (
            "hub.image.name is not set here, and z2jh's own hub image has no jhaws: it would ignore "
            f"{', '.join(ours)}. Check this with the file that names the image that `make image` built."
        )


def _placeholders(at: Callable[..., Any]) -> Iterator[Finding]:
    own_class = at("hub", "config", "JhawsPlaceholder", "priority_class")
    if at(*SEATS) and not own_class and at("scheduling", "userPlaceholder", "enabled") is False:
        yield Finding(
            ("scheduling", "userPlaceholder", "enabled"),
            "The chart then makes no PriorityClass for placeholders, and those of JhawsPlaceholder.seats stay off "
            "without it. Write true, with replicas: 0.",
            serious=False,
        )
    if not at(*PLACEHOLDERS):
        return
    if not at("scheduling", "podPriority", "enabled"):
        yield Finding(
            PLACEHOLDERS,
            "Placeholders give way to nobody without PriorityClasses. Write scheduling.podPriority.enabled: true.",
            serious=False,
        )
    if at(*SEATS):
        yield Finding(
            PLACEHOLDERS,
            "z2jh's placeholders and JhawsPlaceholder.seats keep places twice. Write 0 for one of them.",
            serious=False,
        )


def _metadata(at: Callable[..., Any]) -> Iterator[Finding]:
    if at("singleuser", "cloudMetadata", "blockWithIptables") is False:
        return
    advice = "Write singleuser.cloudMetadata.blockWithIptables: false"
    if at(*METADATA_RULE) and at("singleuser", "networkPolicy", "enabled") is not False:
        yield Finding(METADATA_RULE, f"The chart refuses this while iptables block the address. {advice}, too.")
    elif at(*METADATA_RULE):
        yield Finding(
            METADATA_RULE,
            "This opens nothing: without singleuser.networkPolicy.enabled there is no policy, and iptables block the "
            f"address. {advice}, or take this out.",
            serious=False,
        )
    rows = at("hub", "config", "JhawsSpawner", "iam_roles")
    rows = list(rows.values()) if isinstance(rows, dict) else rows if isinstance(rows, list) else []
    by_annotation = {
        ("hub", "config", "JhawsSpawner", "iam_roles"): any(isinstance(row, dict) and row.get("role") for row in rows),
        ("singleuser", "extraAnnotations", ROLE): at("singleuser", "extraAnnotations", ROLE),
    }
    for path, found in by_annotation.items():
        if found:
            yield Finding(
                path,
                "kiam and kube2iam give a role by the metadata address, which z2jh closes to servers by default. "
                f"{advice} beside them, or give roles by service_account.",
                serious=False,
            )
