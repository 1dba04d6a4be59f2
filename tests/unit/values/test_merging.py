"""Several files are one, as Helm merges them."""

import json
from pathlib import Path

import yaml

from jhaws.values.explaining import as_record, choose, explain
from jhaws.values.merging import Merged, merge
from jhaws.values.reading import read_source


def merge_texts(folder: Path, *texts: str) -> Merged:
    files = []
    for number, text in enumerate(texts, 1):
        file = folder / f"{number}.yaml"
        file.write_text(text)
        files.append(str(file))
    return merge([read_source(file) for file in files])


def lines(merged: Merged, folder: Path, key: str = "", *, whole: bool = False) -> list[str]:
    return [line.replace(f"{folder}/", "").rstrip() for line in explain(choose(merged, key), whole=whole)]


def test_mappings_merge_and_everything_else_is_replaced(tmp_path: Path) -> None:
    """A list of the later file takes the place of the whole earlier one, a mapping only adds to it."""
    merged = merge_texts(tmp_path, "a: {b: 1, c: [1, 2], d: {e: 1}}\n", "a: {c: [3], d: {f: 2}}\n", "a: {b: {g: 1}}\n")

    assert merged.values == {"a": {"b": {"g": 1}, "c": [3], "d": {"e": 1, "f": 2}}}


def test_null_and_an_empty_mapping_are_what_helm_makes_of_them(tmp_path: Path) -> None:
    """Null takes away what was there; an empty mapping merges nothing in."""
    merged = merge_texts(tmp_path, "a: {b: 1}\nc: {d: 1}\n", "a: null\nc: {}\n")

    assert merged.values == {"a": None, "c": {"d": 1}}


def test_a_file_is_the_same_after_it_was_merged(tmp_path: Path) -> None:
    """What a later file adds to a mapping is not in the earlier file's values."""
    (tmp_path / "1.yaml").write_text("a: {b: {c: 1}}\n")
    (tmp_path / "2.yaml").write_text("a: {b: {d: 2}}\n")
    first, second = (read_source(str(tmp_path / name)) for name in ("1.yaml", "2.yaml"))

    assert merge([first, second]).values == {"a": {"b": {"c": 1, "d": 2}}}
    assert first.values == {"a": {"b": {"c": 1}}}


def test_a_setting_knows_its_line_and_what_it_took_the_place_of(tmp_path: Path) -> None:
    """`explain` tells of each value's file and line, and of all that was there before, the last one first."""
    first = "hub:\n  config:\n    JhawsSpawner: {nfs_server: one, nfs_path: /}\n"
    merged = merge_texts(
        tmp_path, first, first.replace("one", "two"), "hub: {config: {JhawsSpawner: {nfs_path: /x}}}\n"
    )

    assert lines(merged, tmp_path) == [
        "2.yaml:3  hub.config.JhawsSpawner.nfs_server: two",
        "1.yaml:3    instead of one",
        "3.yaml:1  hub.config.JhawsSpawner.nfs_path: /x",
        "2.yaml:3    instead of /",
        "1.yaml:3    instead of /",
    ]


def test_a_key_shows_itself_what_is_in_it_and_what_replaced_it(tmp_path: Path) -> None:
    """A mapping that became text tells of each value that went."""
    merged = merge_texts(tmp_path, "custom:\n  b: {c: 1, d: 2}\n  bb: 3\n", "custom: {b: none}\n")

    assert [line.split("  ", 1)[1] for line in lines(merged, tmp_path, "custom.b")] == [
        "custom.b: none",
        "  instead of custom.b.c: 1",
        "  instead of custom.b.d: 2",
    ]
    assert lines(merged, tmp_path, "custom.b.c")[0].endswith("custom.b: none")
    assert lines(merged, tmp_path, "x") == []


def test_who_knows_a_keys_name_finds_it(tmp_path: Path) -> None:
    """A key whose name is not shown, as nobody knows it, is there for who asks for it."""
    merged = merge_texts(tmp_path, "hub: {ofTomorrow: 1}\n")

    assert lines(merged, tmp_path, "hub.ofTomorrow") == ["1.yaml:1  hub.******: 1"]


def test_secrets_are_masked_everywhere(tmp_path: Path) -> None:
    """A password, a token, a variable of the servers, a repository's address: none is shown, in text or in JSON."""
    text = """
hub:
  db: {password: 5ecre7, url: "postgresql://a:5ecre7@b"}
  config:
    JhawsAuthenticator: {user_password: 5ecre7, password_groups: {5ecre75ecre7: [a]}}
    JhawsSpawner: {git_repos: [{url: "https://5ecre7@x/y"}], environment: {A: 5ecre7}}
    CryptKeeper: {keys: [5ecre7]}
  services: {x: {apiToken: 5ecre7}}
  cookieSecret: 5ecre7
proxy:
  secretToken: 5ecre7
  https: {manual: {key: 5ecre7}}
singleuser:
  extraEnv: {AWS: 5ecre7}
  initContainers: [{env: [{name: A, token: 5ecre7}]}]
imagePullSecret: {password: 5ecre7, username: ada}
"""
    merged = merge_texts(tmp_path, text, text.replace("5ecre7", "5ecre8"))
    shown = "\n".join(lines(merged, tmp_path, whole=True)) + json.dumps(
        [as_record(each) for each in choose(merged, "")]
    )

    assert "5ecre" not in shown
    assert "imagePullSecret.username" in shown


def test_a_long_value_is_cut_but_for_its_own_key(tmp_path: Path) -> None:
    """The list has a line for each value, and one key is shown as it is."""
    merged = merge_texts(tmp_path, yaml.safe_dump({"custom": {"a": "x" * 200, "b": 'two\nlines "and" quotes'}}))

    assert lines(merged, tmp_path)[0].endswith("x…")
    assert lines(merged, tmp_path, "custom.a", whole=True)[0].endswith("x" * 200)
    assert lines(merged, tmp_path)[1].endswith('custom.b: two\\nlines "and" quotes')
