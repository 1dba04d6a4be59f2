"""Do labels satisfy a selector: node selectors, node affinity, and the label selectors of pod affinity.

Pure and small; `placement` asks. An operator of Kubernetes that is unknown here matches nothing, so a pod with it
stays Pending and says so, instead of going somewhere wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Obj = dict[str, Any]
Labels = Mapping[str, str]


def matches_node(pod: Obj, node: Obj) -> bool:
    """Tell whether a node satisfies a pod's `nodeSelector` and required node affinity."""
    labels = node["metadata"].get("labels") or {}
    selector = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in selector.items()):
        return False
    required = _node_affinity(pod).get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(_matches_term(term, node) for term in required.get("nodeSelectorTerms") or [])


def preference_score(pod: Obj, node: Obj) -> int:
    """Sum the weights of the preferred node affinity that a node satisfies."""
    preferred = _node_affinity(pod).get("preferredDuringSchedulingIgnoredDuringExecution") or []
    return sum(item["weight"] for item in preferred if _matches_term(item["preference"], node))


def matches_label_selector(selector: Obj, labels: Labels) -> bool:
    """Tell whether labels satisfy a `LabelSelector`; an empty one matches everything."""
    wanted: Labels = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(matches_expression(e, labels) for e in selector.get("matchExpressions") or [])


def matches_expression(expression: Obj, labels: Labels) -> bool:
    """Tell whether labels satisfy one `key operator values` expression."""
    value = labels.get(expression["key"])
    values = expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            return _compare(value, operator, values)
    return False


def _compare(value: str | None, operator: str, values: list[str]) -> bool:
    try:
        have, bound = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return have > bound if operator == "Gt" else have < bound


def _node_affinity(pod: Obj) -> Obj:
    return (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}


def _matches_term(term: Obj, node: Obj) -> bool:
    """Tell whether a node satisfies a term; an empty term matches no node."""
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not fields:
        return False
    labels = node["metadata"].get("labels") or {}
    names = {"metadata.name": node["metadata"]["name"]}
    return all(matches_expression(e, labels) for e in expressions) and all(matches_expression(e, names) for e in fields)
