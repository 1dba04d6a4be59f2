"""Patches as pure functions: the arguments stay as they are, the results follow the RFCs."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from jhaws.local.api.patches import PatchError, apply_json, apply_merge, apply_strategic


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        # The table of RFC 7386, appendix A.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge(target: Any, patch: Any, expected: Any) -> None:
    """A merge patch does what RFC 7386 says."""
    before = deepcopy((target, patch))

    assert apply_merge(target, patch) == expected
    assert (target, patch) == before


ENV = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        (
            ENV,
            {"env": [{"name": "B", "value": "3"}]},
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]},
        ),
        (ENV, {"env": [{"name": "A", "$patch": "delete"}]}, {"env": [{"name": "B", "value": "2"}]}),
        (ENV, {"env": [{"name": "C"}, {"$patch": "replace"}]}, {"env": [{"name": "C"}]}),
        (ENV, {"env": None}, {}),
        (ENV, {"$patch": "replace", "x": 1}, {"x": 1}),
        (ENV, {"$patch": "delete"}, {}),
        (
            {"volumeMounts": [{"mountPath": "/a", "name": "x"}, {"mountPath": "/b", "name": "x"}]},
            {"volumeMounts": [{"mountPath": "/b", "name": "y"}]},
            {"volumeMounts": [{"mountPath": "/a", "name": "x"}, {"mountPath": "/b", "name": "y"}]},
        ),
        (
            {"tolerations": [{"key": "a"}]},
            {"tolerations": [{"key": "b"}]},
            {"tolerations": [{"key": "b"}]},
        ),
        (
            {"volumes": [{"name": "a", "emptyDir": {}}]},
            {"volumes": [{"name": "a", "$retainKeys": ["name", "nfs"], "nfs": {"path": "/"}}]},
            {"volumes": [{"name": "a", "nfs": {"path": "/"}}]},
        ),
        ({"args": ["a"]}, {"args": ["b"]}, {"args": ["b"]}),
        (
            {"ports": [{"containerPort": 1, "protocol": "TCP"}]},
            {"ports": [{"containerPort": 1, "name": "a"}]},
            {"ports": [{"containerPort": 1, "protocol": "TCP", "name": "a"}]},
        ),
    ],
)
def test_strategic(target: dict, patch: dict, expected: dict) -> None:
    """A strategic patch merges lists by their key and obeys its directives."""
    before = deepcopy((target, patch))

    assert apply_strategic(target, patch) == expected
    assert (target, patch) == before


def test_strategic_order_of_new_items() -> None:
    """New items come before old ones the patch does not name, as a real API server orders them."""
    target = {"containers": [{"name": "a"}, {"name": "b"}]}

    result = apply_strategic(target, {"containers": [{"name": "new"}, {"name": "b", "image": "x"}]})
    assert [container["name"] for container in result["containers"]] == ["new", "a", "b"]


@pytest.mark.parametrize(
    ("document", "operations", "expected"),
    [
        ({"a": [1, 2]}, [{"op": "add", "path": "/a/1", "value": 3}], {"a": [1, 3, 2]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2]}),
        ({"a": 1}, [{"op": "add", "path": "", "value": 2}], 2),
        ({"a~b": 1, "c/d": 2}, [{"op": "remove", "path": "/a~0b"}], {"c/d": 2}),
        ({"a~b": 1, "c/d": 2}, [{"op": "remove", "path": "/c~1d"}], {"a~b": 1}),
        ({"~1": 1}, [{"op": "test", "path": "/~01", "value": 1}], {"~1": 1}),
        ({"": 1}, [{"op": "test", "path": "/", "value": 1}], {"": 1}),
        ({"a": {"b": 1}}, [{"op": "move", "from": "/a/b", "path": "/c"}], {"a": {}, "c": 1}),
        ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
        ({}, [{"op": "test", "path": "/a", "value": None}], {}),
    ],
)
def test_json(document: Any, operations: list, expected: Any) -> None:
    """A JSON patch does what RFC 6902 says."""
    before = deepcopy(document)

    assert apply_json(document, operations) == expected
    assert document == before


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/a/3", "value": 1},
        {"op": "add", "path": "/a/01x", "value": 1},
        {"op": "add", "path": "/a/-1", "value": 1},
        {"op": "add", "path": "/a/0/b", "value": 1},
        {"op": "add", "path": "/a/²", "value": 1},
        {"op": "add", "path": "/a"},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "value": 1},
        {"op": "remove", "path": ""},
        {"op": "remove", "path": "/a/-"},
        {"op": "replace", "path": "/b", "value": 1},
        {"op": "move", "from": "/a", "path": "/a/0"},
        {"op": "move", "path": "/b"},
        {"op": "test", "path": "/a", "value": [2]},
        {"op": "test", "path": "/a/9", "value": 1},
        {"path": "/a", "value": 1},
        {"op": ["add"], "path": "/a", "value": 1},
        "add",
        None,
    ],
)
def test_json_that_does_not_fit(operation: Any) -> None:
    """Whatever does not fit is a PatchError, never another exception."""
    with pytest.raises(PatchError):
        apply_json({"a": [1]}, [operation])
