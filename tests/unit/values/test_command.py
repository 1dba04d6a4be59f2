"""`jhaws values` in a terminal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from jhaws.cli import main
from jhaws.values.schema import make_schema

GOOD = "hub:\n  config:\n    KubeSpawner: {namespace: drive}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a good and a bad file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text("auth:\n  whitelist: [a]\nproxy: {https: {hosts: [a]}}\n")
    return tmp_path


def test_good_values_are_told_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and what was not looked at."""
    assert main(["values", "check", "good.yaml"]) == 0

    shown = capsys.readouterr().out
    assert shown.startswith("No problem in 1 file.\nOf z2jh's own keys only the first names of chart 4.4.0")
    assert max(map(len, shown.splitlines())) <= 100


def test_each_problem_has_its_place_and_what_to_write(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, a block for each problem, and the count."""
    assert main(["values", "check", "good.yaml", "bad.yaml"]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[:7] == [
        "bad.yaml:2  auth.whitelist",
        "    z2jh 0.11.0 took auth.whitelist away. Write hub.config.JhawsAuthenticator.allowed_users, or",
        "    Authenticator.allowed_users with another login.",
        "",
        "bad.yaml:3  proxy.https  (warning)",
        "    HTTPS is off: since z2jh 0.10.0 hosts do not turn it on. Write proxy.https.enabled: true.",
        "",
    ]
    assert lines[7] == "1 problem and 1 warning in 2 files."


def test_warnings_alone_are_no_failure(folder: Path) -> None:
    """Helm and the hub go on with them, so scripts do too."""
    (folder / "warned.yaml").write_text("proxy: {https: {hosts: [a]}}\n")

    assert main(["values", "check", "warned.yaml"]) == 0


def test_json_has_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For editors and pipelines: file, line, key, sentence, and whether it is serious."""
    assert main(["values", "check", "--json", "bad.yaml"]) == 1
    first, second = json.loads(capsys.readouterr().out)["problems"]

    assert (first["file"], first["line"], first["key"], first["serious"]) == ("bad.yaml", 2, "auth.whitelist", True)
    assert second["serious"] is False


def test_options_without_an_image_are_noted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of passwords has no image and is right; the values of a whole hub without one are not."""
    (folder / "part.yaml").write_text("hub: {config: {JhawsCuller: {timeout: 60}}}\n")
    (folder / "image.yaml").write_text("hub: {image: {name: example.org/jhaws-hub}}\n")

    assert main(["values", "check", "part.yaml", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["problems"] == []
    assert "it would ignore JhawsCuller" in told["notes"][0]
    assert main(["values", "check", "part.yaml", "image.yaml"]) == 0
    assert main(["values", "check", "good.yaml"]) == 0
    assert "hub.image.name" not in capsys.readouterr().out


def test_a_file_of_comments_stops_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told, and the other files are checked and explained."""
    (folder / "none.yaml").write_text("# hub: {}\n")

    assert main(["values", "check", "none.yaml", "bad.yaml"]) == 1
    shown = capsys.readouterr().out
    assert "none.yaml:1  (warning)\n    The file sets nothing" in shown
    assert "1 problem and 2 warnings in 2 files." in shown
    assert main(["values", "explain", "none.yaml", "good.yaml"]) == 0


def test_a_file_that_cannot_be_read_stops_the_rest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing in the other files may be in it, so nothing else is said."""
    (folder / "tab.yaml").write_text("hub:\n\tx: 1\n")

    assert main(["values", "check", "bad.yaml", "tab.yaml", "none.yaml"]) == 1
    shown = capsys.readouterr().out
    assert "tab.yaml:2\n    The line is indented with a tab" in shown
    assert "none.yaml:1\n    The file cannot be read" in shown
    assert "auth" not in shown


@pytest.mark.parametrize("arguments", [["values"], ["values", "check"], ["values", "chek"], ["values", "check", "--x"]])
def test_wrong_arguments_are_exit_code_2(arguments: list[str]) -> None:
    """As for every command."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("keys", "note"),
    [
        ({"auth": {}}, "The schema is that of a chart before 4.3.0; jhaws needs z2jh 4.4.0 or newer."),
        ({"httpRoute": {"properties": {"parentRefs": {}}}}, "The schema is that of chart 5.0.0 or newer;"),
        ({"httpRoute": {"properties": {"gateway": {}}}}, ""),
    ],
)
def test_a_schema_of_another_chart_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], keys: dict, note: str
) -> None:
    """A chart too old or too new is known by the keys it has."""
    (folder / "schema.json").write_text(json.dumps({"properties": {"hub": {}, **keys}}))

    assert main(["values", "check", "good.yaml", "--schema", "schema.json"]) == 0
    shown = capsys.readouterr().out.replace("\n", " ").strip()
    assert shown.startswith(f"No problem in 1 file. {note}".strip())
    assert ("The schema is" in shown) is bool(note)


@pytest.mark.parametrize(
    ("text", "sentence"), [(None, "cannot be read"), ("a: 1", "is no JSON Schema of values"), ("{", "not closed")]
)
def test_a_schema_that_is_none_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str | None, sentence: str
) -> None:
    """One sentence on stderr and exit code 1."""
    if text is not None:
        (folder / "schema.json").write_text(text)

    assert main(["values", "check", "good.yaml", "--schema", "schema.json"]) == 1
    assert sentence in capsys.readouterr().err


def test_explain_says_who_set_what(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last argument is a key where it is no file."""
    (folder / "own.yaml").write_text(GOOD.replace("drive", "nfs") + "proxy: {secretToken: x}\n")

    assert main(["values", "explain", "good.yaml", "own.yaml"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "own.yaml:3   hub.config.KubeSpawner.namespace: nfs",
        "good.yaml:3    instead of drive",
        "own.yaml:4   proxy.secretToken: ******",
    ]
    assert main(["values", "explain", "good.yaml", "own.yaml", "proxy"]) == 0
    assert capsys.readouterr().out == "own.yaml:4  proxy.secretToken: ******\n"


def test_explain_has_json_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same, with the history nested."""
    assert main(["values", "explain", "good.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "key": "hub.config.KubeSpawner.namespace",
            "value": "drive",
            "file": "good.yaml",
            "line": 3,
            "instead_of": [],
        }
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["good.yaml", "hub.db"], "hub.db is not set in good.yaml: the chart's or jhaws's default counts."),
        (["none.yaml"], "none.yaml:1: The file cannot be read"),
        (["none.yaml", "good.yaml"], "none.yaml:1: The file cannot be read"),
        (["good.yaml", "none.yaml"], "none.yaml:1: The file cannot be read"),
    ],
)
def test_explain_says_what_it_cannot(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    """A key that nobody set and a file that is not there."""
    assert main(["values", "explain", *arguments]) == 1
    assert sentence in capsys.readouterr().err


def test_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`jhaws values schema > jhaws.schema.json` is a file for editors."""
    assert main(["values", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == make_schema()


def test_nothing_but_the_answer_is_printed(folder: Path) -> None:
    """As a process, with an authenticator of nobody and a debug log asked for: no word of JupyterHub's own logger."""
    text = yaml.safe_dump({"hub": {"config": {"JupyterHub": {"log_level": "DEBUG", "bogus": 1}}}})
    (folder / "loud.yaml").write_text(text)
    ended = subprocess.run(
        [sys.executable, "-m", "jhaws", "values", "check", "loud.yaml"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )

    assert ended.stderr == ""
    assert ended.returncode == 0
    assert ended.stdout.startswith("loud.yaml:4  hub.config.JupyterHub.bogus  (warning)")
