"""The files of helm-values/ through the real chart of z2jh, Helm and a real API server; and `jhaws values` beside it.

The chart is not part of this repository and cannot be fetched everywhere. Set Z2JH_CHART to a folder or an archive of
it, 4.4.0 or newer.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from jhaws.values.checking import check
from jhaws.values.merging import merge
from jhaws.values.reading import read_source
from jhaws.values.renames import CHART as NAMED_CHART
from jhaws.values.renames import HUB, RENAMES, SECTIONS, Rename, schema_age, schema_has, version
from tests.api.conftest import MISSING
from tests.kube.programs import BIN, find_kubectl

CHART = os.environ.get("Z2JH_CHART", "")
HELM = shutil.which("helm", path=f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
FILES = sorted((Path(__file__).parents[2] / "helm-values").glob("*.yaml"))
NAMESPACE = "default"

# Where nothing may be skipped, what cannot be had does not exist.
__test__ = bool(CHART) or not os.environ.get("JHAWS_NO_SKIP")
pytestmark = [
    pytest.mark.skipif(not CHART, reason="Z2JH_CHART is not set: name a folder or an archive of z2jh's chart in it."),
    pytest.mark.skipif(not HELM, reason="There is no helm in tests/kube/bin or on the PATH: run `make kube`."),
]


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart as Helm gets it from an archive: with its schema as JSON, which the sources have as YAML only."""
    folder = tmp_path_factory.mktemp("chart")
    if Path(CHART).is_dir():
        shutil.copytree(CHART, folder / "jupyterhub")
    else:
        shutil.unpack_archive(CHART, folder, filter="data")
    chart = folder / "jupyterhub"
    source, packed = chart / "values.schema.yaml", chart / "values.schema.json"
    if not packed.exists():
        packed.write_text(json.dumps(yaml.safe_load(source.read_text())))
    return chart


@pytest.fixture(scope="module")
def schema(chart: Path) -> dict[str, Any]:
    """The chart's schema of its values."""
    return json.loads((chart / "values.schema.json").read_text())


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HELM, *map(str, arguments)], capture_output=True, text=True, timeout=100)


def render(chart: Path, *files: Path) -> list[dict[str, Any]]:
    options = [option for file in files for option in ("--values", file)]
    ended = helm("template", "ws1", chart, "--namespace", NAMESPACE, *options)
    assert ended.returncode == 0, ended.stderr
    return [each for each in yaml.safe_load_all(ended.stdout) if each]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_passes_the_charts_schema_and_ours(chart: Path, schema: dict[str, Any], file: Path) -> None:
    """Helm lints it, and `jhaws values check` with the chart's schema finds nothing serious."""
    ended = helm("lint", chart, "--values", file)
    source = read_source(str(file))

    assert ended.returncode == 0, ended.stdout
    assert [each for each in check(merge([source]), schema) if each.serious] == []


@pytest.mark.skipif(bool(MISSING) and not os.environ.get("KUBECONFIG"), reason=MISSING)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_api_server_takes_all_that_a_file_makes(
    chart: Path, request: pytest.FixtureRequest, tmp_path: Path, file: Path
) -> None:
    """Each object that the chart renders from it passes a server-side dry run."""
    objects = render(chart, file)
    (tmp_path / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    kubeconfig = os.environ.get("KUBECONFIG") or request.getfixturevalue("kubernetes")
    ended = subprocess.run(
        [find_kubectl(), "apply", "--dry-run=server", "--namespace", NAMESPACE, "--filename", tmp_path / "all.json"],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "KUBECONFIG": kubeconfig},
    )

    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.splitlines()) == len(objects) > 10


def of_kind(objects: list[dict[str, Any]], kind: str) -> Iterator[dict[str, Any]]:
    return (each for each in objects if each["kind"] == kind)


def test_what_the_files_say_of_the_chart_is_true(chart: Path) -> None:
    """NodePort 30052, a path for each hub, PriorityClasses, no placeholders of z2jh's, and the hub's image."""
    files = {file.stem: render(chart, file) for file in FILES}

    def services(name: str) -> dict[str, Any]:
        return {each["metadata"]["name"]: each["spec"] for each in of_kind(files[name], "Service")}

    ports = services("alb-nodeport")["proxy-public"]
    assert (ports["type"], ports["ports"][0]["nodePort"]) == ("NodePort", 30052)
    assert services("many-hubs")["proxy-public"]["type"] == "ClusterIP"
    ingress = next(of_kind(files["many-hubs"], "Ingress"))["spec"]["rules"][0]
    assert (ingress["host"], ingress["http"]["paths"][0]["path"]) == ("hubs.example.org", "/ws1/")
    classes = {each["metadata"]["name"] for each in of_kind(files["components"], "PriorityClass")}
    assert "ws1-user-placeholder-priority" in classes
    assert [each["spec"]["replicas"] for each in of_kind(files["components"], "StatefulSet")] == [0]
    assert not list(of_kind(files["postgresql"], "PersistentVolumeClaim"))
    assert any(each["metadata"]["name"] == "autohttps" for each in of_kind(files["https"], "Deployment"))
    for objects in files.values():
        hub = next(each for each in of_kind(objects, "Deployment") if each["metadata"]["name"] == "hub")
        assert hub["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example.org/jhaws-hub:0.1.0"


@pytest.mark.parametrize("row", RENAMES, ids=lambda row: row.old)
def test_an_old_key_is_gone_and_its_new_one_is_there(
    chart: Path, schema: dict[str, Any], tmp_path: Path, row: Rename
) -> None:
    """The chart itself refuses the old key; what is to be written instead, it knows."""
    if version(row.since) > max(version(schema_age(schema)), version(NAMED_CHART)):
        assert schema_has(schema, row.old)
        return
    values: Any = "x"
    for part in reversed(row.old.split(".")):
        values = {part: values}
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(values))

    assert helm("template", "ws1", chart, "--values", tmp_path / "old.yaml").returncode != 0
    # What is Kubernetes' own has no fields in the schema.
    known = schema_has(schema, row.new) or schema_has(schema, row.new.rpartition(".")[0])
    assert " " in row.new or row.new.startswith("hub.config.") or known


def test_the_first_names_are_the_charts(schema: dict[str, Any]) -> None:
    """What is known without a schema is what the schema has."""
    assert sorted(schema["properties"]) == sorted(SECTIONS)
    assert sorted(schema["properties"]["hub"]["properties"]) == sorted(HUB)


@pytest.mark.parametrize(
    "text",
    [
        "hub: {baseURL: /}",
        "hub: {config: {jhawsSpawner: {}}}",
        "singelsuer: {}",
        "cull: {timeout: 1h}",
        "singleuser: {networkPolicy: {egressAllowRules: {cloudMetadataServer: true}}}",
        "singleuser: {storage: {type: nfs}}",
        "Hub: {}",
        "hub: text",
        "custom: {a: .inf}",
        "custom: {a: 1}\n--- b",
        "custom: {a: b: c}",
        "proxy: {secretToken: 5}",
    ],
)
def test_what_the_chart_refuses_is_a_problem_before(
    chart: Path, schema: dict[str, Any], tmp_path: Path, text: str
) -> None:
    """Helm fails with each of these, and the check has said so."""
    (tmp_path / "bad.yaml").write_text(text)
    source = read_source(str(tmp_path / "bad.yaml"))
    problems = source.problems + check(merge([source]), schema)

    assert helm("template", "ws1", chart, "--values", tmp_path / "bad.yaml").returncode != 0
    assert [each.serious for each in problems] == [True]


def test_files_are_read_and_merged_as_helm_does(chart: Path, tmp_path: Path) -> None:
    """Words, anchors, null and empty mappings of two files arrive in the hub as `jhaws values` has them."""
    one = """
custom:
  words: {a: yes, b: y, c: off, d: ~, e: 010, f: 0o17, g: 0x1F, h: 1_000, i: 1e3, j: 1:20, k: 2026-01-01, l: '5', m: 08}
  keys: {8080: a, yes: b, y: c, 1: d, 0: e, 1.5: f, 1e3: g, .inf: h}
  large: [1e400, 0O17]
  anchor: &x {one: 1, two: [1, 2]}
  merged: {<<: *x, one: 2}
  map: {a: 1, b: {c: 1}}
  list: [1, 2]
  gone: {a: 1}
  text: a
"""
    two = "# Nothing.\n---\n"
    two += "custom: {map: {b: {d: 2}, e: null}, list: [3], gone: null, anchor: {}, text: {a: 1}}\n"
    (tmp_path / "one.yaml").write_text(one)
    (tmp_path / "two.yaml").write_text(two)
    files = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    objects = render(chart, *files)
    secret = next(each for each in of_kind(objects, "Secret") if "values.yaml" in each.get("data", {}))
    theirs = yaml.safe_load(base64.b64decode(secret["data"]["values.yaml"]))["custom"]

    assert merge([read_source(str(file)) for file in files]).values["custom"] == theirs


def test_the_charts_defaults_have_no_problem(chart: Path, schema: dict[str, Any]) -> None:
    """The chart's own values, checked as an operator's, raise nothing serious."""
    source = read_source(str(chart / "values.yaml"))

    assert source.problems == []
    assert [each for each in check(merge([source]), schema) if each.serious] == []
    jsonschema.Draft7Validator.check_schema(schema)
