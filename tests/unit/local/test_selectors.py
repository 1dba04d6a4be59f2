"""Selectors: what the conformance tests cannot see from outside."""

from __future__ import annotations

import pytest

from jhaws.local.api.resources import EVENTS, PODS, SECRETS
from jhaws.local.api.selectors import parse_selector
from jhaws.local.api.statuses import BadRequest


def matches(labels: dict[str, str], selector: str) -> bool:
    """Tell whether an object with these labels is shown."""
    return parse_selector(PODS, labels=selector).matches({"metadata": {"labels": labels}})


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ("a in (x,y)", {"a": "y"}, True),
        ("a in(x,y)", {"a": "z"}, False),
        ("a notin (x),b", {"b": ""}, True),
        ("a notin (x),b", {"a": "x", "b": ""}, False),
        ("!a,!b", {}, True),
        ("in in (in)", {"in": "in"}, True),
        ("a>5", {"a": "6"}, True),
        ("a>5", {"a": "x"}, False),
        ("a<5", {}, False),
        ("a=,b=c", {"a": "", "b": "c"}, True),
        ("example.org/a-b_c.d=x", {"example.org/a-b_c.d": "x"}, True),
    ],
)
def test_label_rules(selector: str, labels: dict[str, str], expected: bool) -> None:
    """Each operator means what it means in Kubernetes, also for labels that are not there."""
    assert matches(labels, selector) is expected


@pytest.mark.parametrize(
    "selector",
    ["=", "!", "!!a", "a in", "a in x", "a in (x", "a in (x y)", "a,,b", ",a", "a>x", "a)", "a=b c"],
)
def test_unreadable_label_selectors(selector: str) -> None:
    """What cannot be read is refused, never taken as "everything"."""
    with pytest.raises(BadRequest):
        parse_selector(PODS, labels=selector)


def test_without_selector_everything_matches() -> None:
    """An empty selector is falsy and shows all."""
    selector = parse_selector(PODS)

    assert not selector
    assert selector.matches({"metadata": {}})


@pytest.mark.parametrize(
    ("resource", "obj", "selector", "expected"),
    [
        (SECRETS, {"metadata": {}, "type": "Opaque"}, "type=Opaque", True),
        (EVENTS, {"metadata": {}, "source": {"component": "kubelet"}}, "source=kubelet", True),
        (EVENTS, {"metadata": {}, "source": {}, "reportingComponent": "x"}, "source=x", True),
        (PODS, {"metadata": {}, "spec": {"hostNetwork": True}}, "spec.hostNetwork=true", True),
        (PODS, {"metadata": {}, "spec": {}}, "spec.hostNetwork=false", True),
        (PODS, {"metadata": {}}, "status.podIP=", True),
        (PODS, {"metadata": {"name": "a,b"}}, r"metadata.name=a\,b", True),
        (PODS, {"metadata": {"name": "a"}}, "metadata.name!=a,metadata.name!=b", False),
    ],
)
def test_field_rules(resource: object, obj: dict, selector: str, expected: bool) -> None:
    """Fields that are not there count as empty or false, an escaped comma belongs to the value."""
    assert parse_selector(resource, fields=selector).matches(obj) is expected  # type: ignore[arg-type]
