"""`jhaws upgrade-check`: what differs between two setups, and what an operator reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from jhaws.cli import main
from jhaws.values import places
from jhaws.values.reading import Source, read_source

ADMIN, USER = "correct-horse-battery-staple-admin", "shared-by-the-class"
NAMES = ["ann", "bea", "carl"]
LOGIN: dict[str, Any] = {
    "admin_users": ["root"],
    "allowed_users": NAMES,
    "admin_password": ADMIN,
    "user_password": USER,
}
STOCK: dict[str, Any] = {
    "hub": {"config": {"JupyterHub": {"authenticator_class": "shared-password"}, "SharedPasswordAuthenticator": LOGIN}}
}
JHAWS: dict[str, Any] = {"hub": {"image": {"name": "quay.io/jhaws/hub"}, "config": {"JhawsAuthenticator": LOGIN}}}
NFS = {"hub": {"config": {"JhawsSpawner": {"nfs_server": "drive"}}}}
STATE = {"kubespawner_version": "7.1.0", "pod_name": "x"}


def server(**fields: Any) -> dict[str, Any]:
    return {"ready": False, "stopped": True, "state": STATE} | fields


def user(name: str, *names: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "servers": {each: server() for each in names}} | fields


class Place:
    """A folder with the files of a call, and what the call says."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def write(self, name: str, content: Any) -> str:
        """Write a file and return its path."""
        text = json.dumps(content) if name.endswith(".json") else yaml.safe_dump(content)
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def run(self, old: Any, new: list[Any], users: Any, *options: str) -> tuple[int, str]:
        """Run the command and return its exit code and what it prints."""
        files = [self.write(f"new-{number}.yaml", values) for number, values in enumerate(new)]
        arguments = ["--from", self.write("old.yaml", old), "--to", *files]
        code = main(["upgrade-check", *arguments, "--users", self.write("users.json", users), *options])
        return code, self.capsys.readouterr().out

    def changes(self, old: Any, new: list[Any], users: Any) -> list[tuple[str, ...]]:
        """Run the command and return the changes that it tells."""
        return [tuple(change.values()) for change in json.loads(self.run(old, new, users, "--json")[1])["changes"]]


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    """A folder to call from."""
    return Place(tmp_path, capsys)


def test_an_upgrade_that_changes_nothing_is_exit_code_0(place: Place) -> None:
    """The same homes, names and log-ins: one line says so."""
    users = [user("ann", ""), user("root")]

    assert place.run(STOCK, [JHAWS], users) == (
        0,
        "From KubeSpawner and SharedPasswordAuthenticator to JhawsSpawner and JhawsAuthenticator.\n\n"
        "Something changes for 0 of 2 users.\n",
    )


def test_who_changes_is_in_a_table_with_what_to_do(place: Place) -> None:
    """Only users with a change have a row, and each kind of change has a sentence."""
    users = [user("ann", "", "lab"), user("bea"), user("carl", admin=True), user("cleo.müller/x", "")]
    code, text = place.run(STOCK, [JHAWS, NFS], users)
    table = [line for line in text.splitlines() if line.startswith(("USER", "ann", "bea", "carl", "cleo"))]

    assert code == 1
    assert table == [
        "USER           SERVER  WHAT    NOW                                 THEN",
        "ann            -       home    PVC claim-ann                       NFS drive:/home/ann",
        "ann            lab     home    PVC claim-ann--lab                  NFS drive:/home/ann",
        "carl           -       log-in  with the users' password            with the admin password",
        "cleo.müller/x  -       home    PVC claim-cleo-m-ller-x---77f6e6d9  NFS drive:/home/cleo-2em-c3-bcller-2fx",
    ]
    assert "Something changes for 3 of 4 users." in text
    assert "To do: Copy each home to its new place" in text
    assert "To do: A user's servers have one home together then" in text
    assert "To do: Tell those whose log-in changes" in text
    assert "another name" not in text
    assert USER not in text
    assert ADMIN not in text


def test_the_way_back_is_checked_alike(place: Place) -> None:
    """From jhaws to stock: the home is the claim again, and names deleted in the panel come back, which is said."""
    both = {"hub": {**JHAWS["hub"], "config": JHAWS["hub"]["config"] | NFS["hub"]["config"]}}
    code, text = place.run(both, [STOCK], [user("ann", "")])

    assert code == 1
    assert "NFS drive:/home/ann  PVC claim-ann" in text
    assert "To do: Names of allowed_users that were deleted in the admin panel come back" in text


def test_a_server_that_never_ran_has_nothing_to_lose(place: Place) -> None:
    """A user without a home is no row; one of whose servers nothing is told is, with a note."""
    never, untold = server(state={}), {"ready": False, "stopped": True}
    users = [user("ann", servers={"": never}), user("bea", servers={"": untold})]
    code, text = place.run(STOCK, [JHAWS, NFS], users, "--json")
    said = json.loads(text)

    assert code == 1
    assert [change["user"] for change in said["changes"]] == ["bea"]
    assert said["notes"] == [
        "The hub did not tell what it remembers of 1 server, as it tells a token with admin:server_state: a claim "
        "whose name it remembers keeps that name."
    ]


def test_names_that_only_one_side_configures(place: Place) -> None:
    """A new name of `allowed_users` is a user to be, and is told of."""
    more = {"hub": {"config": {"JhawsAuthenticator": LOGIN | {"allowed_users": [*NAMES, "new"]}}}}

    assert place.changes(STOCK, [JHAWS, more], [user("ann")]) == [
        ("new", "", "log-in", "no", "with the users' password")
    ]


def test_whom_only_the_earlier_login_let_in_waits(place: Place) -> None:
    """The first time with jhaws's login, whom the configuration does not name waits, and it says how to let them in."""
    users = [user("ann"), user("guest"), user("root"), user("boss", admin=True)]
    code, text = place.run(STOCK, [JHAWS], users)

    assert code == 1
    assert "2 users of now will wait" in " ".join(text.split())
    assert place.changes(STOCK, [JHAWS], users) == [
        ("boss", "", "log-in", "with the users' password", "no, waits for an admin"),
        ("guest", "", "log-in", "with the users' password", "no, waits for an admin"),
    ]
    assert place.changes(JHAWS, [JHAWS], users) == []
    open_to_all = {"hub": {"config": {"JhawsAuthenticator": LOGIN | {"allow_all": True}}}}
    assert [change[0] for change in place.changes(STOCK, [JHAWS, open_to_all], users)] == ["boss"]


def test_who_could_not_enter_before_does_not_change_by_waiting(place: Place) -> None:
    """Neither has a way in."""
    stock = {"hub": {"config": {"SharedPasswordAuthenticator": LOGIN | {"allow_existing_users": False}}}}
    stock["hub"]["config"]["JupyterHub"] = {"authenticator_class": "shared-password"}

    assert place.changes(stock, [JHAWS], [user("guest")]) == []


@pytest.mark.parametrize(
    ("old", "new", "what", "said"),
    [
        ({"podNameTemplate": "a-{username}"}, {}, "pod", "Pods get another name at their next start"),
        ({"storage": {"homeMountPath": "/home/old"}}, {}, "mount", "paths in notebooks and scripts"),
        ({}, {"storage": {"type": "none"}}, "home", "Give these servers a home"),
        (
            {},
            {"profileList": [{"display_name": "X", "kubespawner_override": {"image": 3}}]},
            "start",
            "Correct what keeps",
        ),
    ],
)
def test_each_kind_of_change_has_its_advice(place: Place, old: Any, new: Any, what: str, said: str) -> None:
    """The kind is in the table, the advice below it, and neither for users who have no such change."""
    _, text = place.run(STOCK | {"singleuser": old}, [JHAWS | {"singleuser": new}], [user("ann", "")])

    assert f"ann   -       {what}" in text
    assert said in " ".join(text.split())


SHARED = {"storage": {"type": "static", "static": {"pvcName": "homes"}}}
TOGETHER = "A user's servers have one home together then"


@pytest.mark.parametrize(
    ("singleuser", "servers", "meet"),
    [
        ({}, {"": STATE, "lab": STATE}, True),
        (SHARED, {"": STATE, "lab": STATE}, False),
        (SHARED, {"": STATE | {"pvc_name": "x"}, "lab": STATE}, False),
        ({"storage": {"type": "none"}}, {"": STATE, "lab": STATE}, False),
        ({}, {"": STATE, "lab": {}}, False),
        ({}, {"": STATE}, False),
    ],
)
def test_homes_that_meet_are_told_of(place: Place, singleuser: Any, servers: dict[str, Any], meet: bool) -> None:
    """Several homes of a user that become one must be merged; servers that share a home already have one to copy."""
    users = [user("ann", servers={name: server(state=state) for name, state in servers.items()}), user("bea", "")]
    text = place.run(STOCK | {"singleuser": singleuser}, [JHAWS | {"singleuser": singleuser}, NFS], users)[1]

    assert (TOGETHER in text) == meet


def test_a_home_that_meets_one_that_stays_is_told_of(place: Place) -> None:
    """The default server keeps its home, and that of a named server would be in the same place."""
    one = {"storage": {"dynamic": {"pvcNameTemplate": "claim-{username}"}}}
    code, text = place.run(STOCK, [JHAWS | {"singleuser": one}], [user("ann", "", "lab")])

    assert code == 1
    assert "PVC claim-ann--lab  PVC claim-ann" in text
    assert TOGETHER in text


BY_ID = {"singleuser": {"storage": {"dynamic": {"pvcNameTemplate": "claim-{userid}"}}}}


def test_names_by_ids_that_are_not_told_are_noted(place: Place) -> None:
    """The hub's API tells no ids: that is said also where nothing seems to change, and not where a file tells them."""
    untold, told = user("ann", ""), user("ann", "", id=7)
    code, text = place.run(STOCK | BY_ID, [JHAWS | BY_ID], [untold])

    assert code == 0
    assert "Note: Names with {userid} cannot be told" in text
    assert place.changes(STOCK | BY_ID, [JHAWS, NFS], [told]) == [
        ("ann", "", "home", "PVC claim-7", "NFS drive:/home/ann")
    ]
    assert "Note" not in place.run(STOCK | BY_ID, [JHAWS | BY_ID], [told])[1]
    assert "Note" not in place.run(STOCK, [JHAWS], [untold])[1]


def test_who_may_come_unasked_is_told(place: Place) -> None:
    """From z2jh's default, where any name enters, to our list; and the reverse."""
    text = place.run({}, [JHAWS], [user("ann")])[1]
    assert "Now anybody may enter under a name that is not taken (allow_all)" in " ".join(text.split())
    text = place.run(JHAWS, [{}], [user("ann")])[1]
    assert "With DummyAuthenticator anybody may enter" in text


def test_what_was_not_looked_at_is_noted(place: Place) -> None:
    """Python in the values, a provider's own rules and servers of KubeSpawner 6 limit what can be told."""
    old = {
        "hub": {"config": {"JupyterHub": {"authenticator_class": "github"}}, "extraConfig": {"01-hook": "c.x = 1"}},
    }
    text = " ".join(place.run(old, [JHAWS], [user("ann", servers={"": server(state={"pod_name": "x"})})])[1].split())

    assert "Note: hub.extraConfig of --from was not looked at (01-hook)" in text
    assert "Note: Who may enter with github cannot be told here" in text
    assert "Note: 1 server last ran under KubeSpawner 6" in text


def test_new_values_that_are_wrong_come_first(place: Place) -> None:
    """Renamed keys and wrong options of the new values are said with their lines, and nothing is compared."""
    wrong = {"auth": {"admin": {"users": ["root"]}}, "hub": {"config": {"JhawsSpawner": {"nfs_sever": "drive"}}}}
    code, text = place.run(STOCK, [JHAWS, wrong], [user("ann", "")])

    assert code == 1
    assert "new-1.yaml:3  auth.admin.users: z2jh 0.11.0 took auth.admin.users away." in text
    assert "JhawsSpawner has no option 'nfs_sever'" in text
    assert text.endswith("so nothing was compared.\n")
    first = json.loads(place.run(STOCK, [JHAWS, wrong], [], "--json")[1])["problems"][0]
    assert (first["line"], first["serious"]) == (3, True)


def test_what_helm_goes_on_in_spite_of_is_a_warning(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, also of the file alone, and marked; neither the comparison nor the exit code minds it."""
    monkeypatch.setattr("jhaws.upgrade.command.read_source", read_with_warning)
    new = JHAWS | {"hub": JHAWS["hub"] | {"config": JHAWS["hub"]["config"] | {"KubeSpawner": {"cpu_limits": 3}}}}
    code, text = place.run(STOCK, [new], [user("ann", "")])

    assert code == 0
    assert "new-0.yaml:1  (warning): This is odd.\n" in text
    assert "KubeSpawner.cpu_limits  (warning): KubeSpawner has no option" in text
    assert "Something changes for 0 of 1 users." in text
    said = json.loads(place.run(STOCK, [new], [user("ann", "")], "--json")[1])
    assert [problem["serious"] for problem in said["problems"]] == [False, False]


def read_with_warning(name: str) -> Source:
    source = read_source(name)
    source.problems.append(places.Problem(places.Place(name, 1), "", "This is odd.", serious=False))
    return source


def test_what_a_terminal_would_obey_is_written_out(place: Place) -> None:
    """A user's name can neither colour, clear nor reverse what an operator reads, and the columns stay even."""
    users = [user("ann\x1b[2J\u202e\n", "lab\x07"), user("half\ud800", ""), user("bea", "")]
    code, text = place.run(STOCK, [JHAWS, NFS], users)
    lines = text.splitlines()
    starts = {line.index(what) for line in lines for what in ("WHAT  ", "home  ", "log-in  ") if what in line}

    assert code == 1
    assert all(line.isprintable() for line in lines)
    assert r"ann\x1b[2J\u202e\n  lab\x07" in text
    assert r"half\ud800" in text
    assert len(starts) == 1


def test_a_file_without_stopped_servers_is_noted(place: Place) -> None:
    """Saved without include_stopped_servers, an answer has those alone who work now; all others' homes are missing."""
    running = user("ann", servers={"": server(stopped=False, ready=True)})

    for users in ([running, user("bea")], [user("bea")]):
        text = " ".join(place.run(STOCK, [JHAWS], users)[1].split())
        assert "has no server that is stopped. If it is not the answer to GET /hub/api/users?include_stopped" in text
    assert "is stopped" not in place.run(STOCK, [JHAWS], [running, user("bea", "")])[1]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("old.yaml", "a: [", "is not closed"),
        ("new.yaml", "a: 1\na: 2\n", "is here a second time"),
        ("users.json", "{", "holds no JSON"),
        ("users.json", '[{"name": "ann", "servers": [1]}]', "user 1: servers must be an object, got a list"),
        ("users.json", '[{"name": "ann"}]', "lacks the scope read:servers"),
        ("users.json", '[{"name": "a", "servers": {"\\u001b[2J": 3}}]', "user 1, server '\\x1b[2J' must be an object"),
        ("old.yaml", "hub: {config: [JupyterHub]}", "--from: the values have text or a list where"),
        ("old.yaml", "singleuser: {storage: {dynamic: 3}}", "--from: the values have text or a list where"),
        ("old.yaml", "singleuser: {storage: {extraVolumes: [{nfs: {}}]}}", "--from: the values have text or a list"),
        ("old.yaml", "hub: {config: {JupyterHub: {spawner_class: simple}}}", "--from: JupyterHub.spawner_class"),
        ("old.yaml", "hub: {config: {JupyterHub: {authenticator_class: shared-password}, "
         "SharedPasswordAuthenticator: {user_password: sh0rt}}}", "--from: SharedPasswordAuthenticator refuses"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, content: str, said: str
) -> None:
    """One sentence on stderr names the file or the option, and never shows a password."""
    files = {"old.yaml": "{}", "new.yaml": yaml.safe_dump(JHAWS), "users.json": "[]"} | {file: content}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    paths = [str(tmp_path / name) for name in files]
    with pytest.raises(SystemExit) as ended:
        main(["upgrade-check", "--from", paths[0], "--to", paths[1], "--users", paths[2]])
    errors = capsys.readouterr().err

    assert ended.value.code == 2
    assert said in errors
    assert "sh0rt" not in errors


@pytest.mark.parametrize("more", [[], ["--users", "u.json", "--hub", "http://127.0.0.1:1"]])
def test_the_users_come_from_one_place(capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    """Neither none nor two of them: that is a wrong call."""
    with pytest.raises(SystemExit) as ended:
        main(["upgrade-check", "--from", "a", "--to", "b", *more])

    assert ended.value.code == 2
    assert "--users" in capsys.readouterr().err


def test_a_hub_that_is_away_is_exit_code_2(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token comes by the environment, and the sentence names the hub."""
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "abc")
    files = place.write("old.yaml", STOCK), place.write("new.yaml", JHAWS)
    with pytest.raises(SystemExit) as ended:
        main(["upgrade-check", "--from", files[0], "--to", files[1], "--hub", "http://127.0.0.1:1"])

    assert ended.value.code == 2
    assert "http://127.0.0.1:1 does not answer" in capsys.readouterr().err


def test_thousands_of_users_are_compared(place: Place) -> None:
    """A large hub has a row for each change of its users, and the count of all."""
    users = [user(f"user-{number:04}", "") for number in range(1000)]
    code, text = place.run(STOCK, [JHAWS, NFS], users)

    assert code == 1
    # Each has another home, and waits.
    assert sum(line.startswith("user-") for line in text.splitlines()) == 2000
    assert "Something changes for 1000 of 1000 users." in text
