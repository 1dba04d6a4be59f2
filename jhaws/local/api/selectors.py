"""Label and field selectors: which objects a list or watch shows.

`parse_selector` reads both texts of a request once; `Selector.matches` is then asked for every object. Fields that
a kind does not offer are refused, as by the API server: a selector that is silently ignored shows too much.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jhaws.local.api import naming
from jhaws.local.api.resources import EVENTS, NAMESPACES, NODES, PODS, SECRETS, SERVICES, Resource
from jhaws.local.api.statuses import BadRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jhaws.local.api.encoding import Obj

_TOKEN = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)\s*")
_SYMBOLS = frozenset({"=", "==", "!=", "!", "(", ")", ",", "<", ">"})

_COMMON_FIELDS = ("metadata.name", "metadata.namespace")
_FIELDS: dict[Resource, tuple[str, ...]] = {
    EVENTS: (
        "involvedObject.apiVersion",
        "involvedObject.fieldPath",
        "involvedObject.kind",
        "involvedObject.name",
        "involvedObject.namespace",
        "involvedObject.resourceVersion",
        "involvedObject.uid",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    NAMESPACES: ("status.phase",),
    NODES: ("spec.unschedulable",),
    PODS: (
        "spec.hostNetwork",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.nominatedNodeName",
        "status.phase",
        "status.podIP",
    ),
    SECRETS: ("type",),
    SERVICES: ("spec.clusterIP", "spec.type"),
}
# Not there means this, where it does not mean "".
_ABSENT = {"spec.unschedulable": "false", "spec.hostNetwork": "false"}


@dataclass(frozen=True)
class LabelRule:
    """One requirement on one label.

    Attributes:
        key: The label.
        operator: `in`, `notin`, `exists`, `absent`, `gt` or `lt`.
        values: What it is compared with.
    """

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels keep the rule."""
        return _OPERATORS[self.operator](labels.get(self.key), self.values)


@dataclass(frozen=True)
class FieldRule:
    """One requirement on one field: equal to `value`, or not."""

    path: tuple[str, ...]
    value: str
    equal: bool

    def matches(self, obj: Obj) -> bool:
        """Tell whether an object keeps the rule."""
        return (_read_field(obj, self.path) == self.value) is self.equal


@dataclass(frozen=True)
class Selector:
    """All requirements of a request; without any, everything matches."""

    labels: tuple[LabelRule, ...] = ()
    fields: tuple[FieldRule, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.labels or self.fields)

    def matches(self, obj: Obj) -> bool:
        """Tell whether an object is to be shown."""
        if self.labels:
            found = obj["metadata"].get("labels") or {}
            if not all(rule.matches(found) for rule in self.labels):
                return False
        return all(rule.matches(obj) for rule in self.fields)


def parse_selector(resource: Resource, *, labels: str = "", fields: str = "") -> Selector:
    """Read the selectors of a request.

    Args:
        resource: What is listed; decides which fields there are.
        labels: For example `app=hub,tier in (a, b),!legacy`.
        fields: For example `status.phase!=Running`.

    Raises:
        BadRequest: One of them cannot be read, or names a field that cannot be selected by.
    """
    return Selector(parse_label_selector(labels), parse_field_selector(resource, fields))


def parse_label_selector(text: str) -> tuple[LabelRule, ...]:
    """Read a label selector.

    Raises:
        BadRequest: It cannot be read.
    """
    tokens = _Tokens(text)
    rules: list[LabelRule] = []
    while tokens.peek() != "":
        rules.append(_parse_rule(tokens))
        if tokens.peek() not in (",", ""):
            raise BadRequest(f"found '{tokens.peek()}', expected: ',' or 'end of string'")
        if tokens.next() == "," and tokens.peek() == "":
            raise BadRequest("found '', expected: identifier after ','")
    return tuple(rules)


def parse_field_selector(resource: Resource, text: str) -> tuple[FieldRule, ...]:
    """Read a field selector.

    Raises:
        BadRequest: It cannot be read, or objects of `resource` cannot be selected by one of its fields.
    """
    rules = []
    # A comma or backslash of a value is written with a backslash before it.
    for part in re.split(r"(?<!\\),", text):
        if not part:
            continue
        match = re.fullmatch(r"([^=!]+)(!=|==|=)(.*)", part, re.DOTALL)
        if match is None:
            raise BadRequest(f"invalid selector: '{text}'; can't understand '{part}'")
        field = match[1]
        if field not in _COMMON_FIELDS and field not in _FIELDS.get(resource, ()):
            raise BadRequest(f"field label not supported: {field}")
        value = re.sub(r"\\([\\,=])", r"\1", match[3])
        rules.append(FieldRule(tuple(field.split(".")), value, match[2] != "!="))
    return tuple(rules)


class _Tokens:
    """The words and signs of a label selector, one after the other; at the end empty texts for ever."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._position = 0

    def peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def next(self) -> str:
        token = self.peek()
        self._position += 1
        return token


def _parse_rule(tokens: _Tokens) -> LabelRule:
    first = tokens.next()
    negated = first == "!"
    key = tokens.next() if negated else first
    if not key or key in _SYMBOLS:
        raise BadRequest(f"unable to parse requirement: found '{key}', expected: !, identifier, or ','")
    for problem in naming.check_qualified_name(key):
        raise BadRequest(f'unable to parse requirement: key: Invalid value: "{key}": {problem}')
    if negated:
        return LabelRule(key, "absent")
    operator = tokens.peek()
    if operator in ("", ","):
        return LabelRule(key, "exists")
    tokens.next()
    return _parse_values(key, operator, tokens)


def _parse_values(key: str, operator: str, tokens: _Tokens) -> LabelRule:
    if operator in ("=", "==", "!="):
        # `a=` asks for an empty value.
        value = "" if tokens.peek() in (",", "") else _value(tokens, "identifier")
        return LabelRule(key, "notin" if operator == "!=" else "in", frozenset({value}))
    if operator in ("in", "notin"):
        return LabelRule(key, operator, _parse_set(tokens))
    if operator in ("<", ">"):
        number = _value(tokens, "identifier")
        if not re.fullmatch("[+-]?[0-9]+", number):
            raise BadRequest(
                f'unable to parse requirement: values[0][{key}]: Invalid value: "{number}": '
                "for 'Gt', 'Lt' operators, the value must be an integer"
            )
        return LabelRule(key, "gt" if operator == ">" else "lt", frozenset({number}))
    raise BadRequest(f"unable to parse requirement: found '{operator}', expected: in, notin, =, ==, !=, gt, lt")


def _parse_set(tokens: _Tokens) -> frozenset[str]:
    opening = tokens.next()
    if opening != "(":
        raise BadRequest(f"unable to parse requirement: found '{opening}', expected: '('")
    values = {""} if tokens.peek() == ")" else set()
    while tokens.peek() != ")":
        values.add("" if tokens.peek() == "," else _value(tokens, "',', ')' or identifier"))
        if tokens.peek() == ",":
            tokens.next()
            if tokens.peek() == ")":
                values.add("")
        elif tokens.peek() != ")":
            raise BadRequest(f"unable to parse requirement: found '{tokens.peek()}', expected: ',' or ')'")
    tokens.next()
    return frozenset(values)


def _value(tokens: _Tokens, expected: str) -> str:
    value = tokens.next()
    if not value or value in _SYMBOLS:
        raise BadRequest(f"unable to parse requirement: found '{value}', expected: {expected}")
    for problem in naming.check_label_value(value):
        raise BadRequest(f'unable to parse requirement: values[0]: Invalid value: "{value}": {problem}')
    return value


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch("[+-]?[0-9]+", text) else None


def _compare(found: str | None, values: frozenset[str], sign: int) -> bool:
    number, (limit,) = _number(found), values
    return number is not None and sign * (number - int(limit)) > 0


_OPERATORS: dict[str, Callable[[str | None, frozenset[str]], bool]] = {
    "in": lambda found, values: found is not None and found in values,
    # As in Kubernetes, an object without the label is not equal to any value.
    "notin": lambda found, values: found is None or found not in values,
    "exists": lambda found, values: found is not None,
    "absent": lambda found, values: found is None,
    "gt": lambda found, values: _compare(found, values, 1),
    "lt": lambda found, values: _compare(found, values, -1),
}


def _read_field(obj: Obj, path: tuple[str, ...]) -> str:
    if path == ("source",):
        source = obj.get("source") or {}
        return str(source.get("component") or obj.get("reportingComponent") or "")
    found: object = obj
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    if found is None:
        return _ABSENT.get(".".join(path), "")
    return str(found).lower() if isinstance(found, bool) else str(found)
