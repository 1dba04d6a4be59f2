"""What `jhaws demo` prepares before anything runs: its folder, passwords, course and ports."""

import json
import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from jhaws.cli import main
from jhaws.errors import LocalError
from jhaws.local.demo import Ports, Setting, choose_ports, last_lines, make_environment, welcome
from jhaws.local.demo_folder import MARKER, claimed_folder, empty_folder, ensure_course, ensure_passwords


def test_a_new_folder_is_made_for_its_user_only(tmp_path: Path) -> None:
    """Homes, tokens and passwords are in it."""
    with claimed_folder(tmp_path / "a" / "b") as state:
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        assert (state / MARKER).exists()


def test_the_folder_may_be_named_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its path is absolute from then on, since the hub runs elsewhere."""
    monkeypatch.chdir(tmp_path)

    with claimed_folder(Path("demo-state")) as state:
        assert state == tmp_path / "demo-state"


def test_an_own_folder_is_taken_again(tmp_path: Path) -> None:
    """What is in it stays."""
    with claimed_folder(tmp_path / "state") as state:
        (state / "kept").touch()

    with claimed_folder(tmp_path / "state") as state:
        assert (state / "kept").exists()


def test_a_folder_has_one_demo_at_a_time(tmp_path: Path) -> None:
    """The second is told so, until the first has ended."""
    with claimed_folder(tmp_path), pytest.raises(LocalError, match="already runs"), claimed_folder(tmp_path):
        pass
    with claimed_folder(tmp_path):
        pass


def test_what_the_demo_did_not_make_is_refused(tmp_path: Path) -> None:
    """A folder with something in it, and a file, stay as they are."""
    (tmp_path / "thesis.tex").touch()

    for path in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(LocalError, match="was not made by"), claimed_folder(path):
            pass
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("path", ["/proc/demo", "/dev/null/demo", "~no-such-user/demo"])
def test_a_folder_that_cannot_be_made_is_refused_with_the_reason(path: str) -> None:
    """One sentence that says what to do."""
    with pytest.raises(LocalError, match="cannot use the folder .* Choose another"), claimed_folder(Path(path)):
        pass


@pytest.mark.parametrize("name", ["my demo", "a'b", "a$b", "a;b", "a?b", "a#b", "a%b", "a\nb"])
def test_a_path_that_a_shell_would_misread_is_refused(tmp_path: Path, name: str) -> None:
    """The embedded cluster writes it into scripts."""
    with pytest.raises(LocalError, match="signs that a shell reads"), claimed_folder(tmp_path / name):
        pass
    assert list(tmp_path.iterdir()) == []


def test_fresh_keeps_the_marker_and_follows_no_link(tmp_path: Path) -> None:
    """Everything else goes; what a link points to is not in the folder."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    with claimed_folder(tmp_path / "state") as state:
        (state / "homes" / "ada").mkdir(parents=True)
        (state / "jupyterhub.sqlite").touch()
        (state / "link").symlink_to(tmp_path / "elsewhere")

        empty_folder(state)

        assert [each.name for each in state.iterdir()] == [MARKER]
        assert (tmp_path / "elsewhere" / "kept").exists()


def test_passwords_are_made_once_and_for_their_user_only(tmp_path: Path) -> None:
    """The admin's is as long as JupyterHub demands; everybody's can be said aloud."""
    made = ensure_passwords(tmp_path)

    assert len(made["admin"]) >= 32
    assert len(made["user"].split("-")) == 4
    assert stat.S_IMODE((tmp_path / "passwords.json").stat().st_mode) == 0o600
    assert ensure_passwords(tmp_path) == made


@pytest.mark.parametrize("text", ["", "{", "[]", '{"admin": "x"}'])
def test_spoilt_passwords_are_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    """They are not replaced silently: somebody changed them by hand."""
    (tmp_path / "passwords.json").write_text(text)

    with pytest.raises(LocalError, match="Delete it to get new passwords"):
        ensure_passwords(tmp_path)


def test_the_course_is_made_once(tmp_path: Path) -> None:
    """A clone of it has the notebook, and the next start leaves it alone."""
    url = ensure_course(tmp_path)
    subprocess.run(["git", "clone", "-q", "--branch", "main", url, str(tmp_path / "clone")], check=True)
    commit = head(tmp_path / "course.git")

    assert json.loads((tmp_path / "clone" / "Welcome.ipynb").read_text())["nbformat"] == 4
    assert ensure_course(tmp_path) == url
    assert head(tmp_path / "course.git") == commit


def test_a_course_that_was_begun_is_made_anew(tmp_path: Path) -> None:
    """A demo that was killed while it made the course has one at its next start."""
    (tmp_path / "course.new" / ".git").mkdir(parents=True)

    ensure_course(tmp_path)

    assert head(tmp_path / "course.git")
    assert not (tmp_path / "course.new").exists()


def test_the_course_is_made_whatever_git_is_set_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signing keys, hooks and a surrounding repository of the person who starts the demo have no say."""
    (tmp_path / "config").write_text("[commit]\n gpgsign = true\n[gpg]\n program = /bin/false\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))

    ensure_course(tmp_path)

    monkeypatch.delenv("GIT_DIR")
    assert head(tmp_path / "course.git")


def head(repository: Path) -> str:
    command = ["git", "-C", str(repository), "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_without_git_the_demo_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence names what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(LocalError, match="Install git"):
        ensure_course(tmp_path)


def test_the_ports_are_three_different_ones() -> None:
    """0 takes any free port for the hub too."""
    ports = choose_ports(0)

    assert len({ports.public, ports.hub, ports.proxy}) == 3


def test_a_used_port_is_refused() -> None:
    """The sentence names it and says how to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        with pytest.raises(LocalError, match=f"cannot use port {port} .* --port"):
            choose_ports(port)
    assert choose_ports(port).public == port


@pytest.mark.parametrize("port", [-1, 65536])
def test_what_is_no_port_is_refused(port: int) -> None:
    """The rule is in the sentence."""
    with pytest.raises(LocalError, match="from 0 to 65535"):
        choose_ports(port)


def test_the_hub_inherits_no_other_hub_and_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo started in a terminal of a real hub, or behind a proxy, talks to its own cluster."""
    for name in ("JUPYTERHUB_API_TOKEN", "KUBERNETES_SERVICE_HOST", "JHAWS_POD_UID", "HTTPS_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "other")
    monkeypatch.setenv("KEPT", "yes")
    setting = Setting(proxy="chp", ports=Ports(public=1, hub=2, proxy=3), run_id="run")

    environment = make_environment(tmp_path / "kubeconfig", setting, {"port": 1})

    assert "other" not in environment.values()
    assert environment["KEPT"] == "yes"
    assert environment["KUBECONFIG"] == str(tmp_path / "kubeconfig")
    assert json.loads(environment["JHAWS_DEMO"]) == {"port": 1}


def test_the_end_of_the_log_has_no_colours(tmp_path: Path) -> None:
    """The proxy colours its lines also in a file."""
    (tmp_path / "hub.log").write_text("first\n" * 20 + "\x1b[32minfo\x1b[39m: last\n")

    text = last_lines(tmp_path)

    assert text.endswith("    info: last")
    assert "\x1b" not in text
    assert text.count("\n") == 15


def test_the_welcome_has_all_that_a_person_needs(tmp_path: Path) -> None:
    """The URL, both passwords, and where to look further."""
    text = welcome(8001, {"admin": "for-admin", "user": "for-all"}, state=tmp_path, kubeconfig=tmp_path / "kubeconfig")

    for part in ("http://127.0.0.1:8001\n", "for-admin\n", "for-all\n", f"{tmp_path}/hub.log\n", f"{tmp_path}/kube"):
        assert part in text


@pytest.mark.parametrize("seconds", ["0", "-5", "1.5", "soon"])
def test_idle_seconds_that_make_no_sense_are_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line says so, before anything is made."""
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--cull-after", seconds])

    assert ended.value.code == 2
    assert f"at least 1, got '{seconds}'" in capsys.readouterr().err


def test_a_refusal_is_one_line_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command ends with the sentence on stderr."""
    (tmp_path / "thesis.tex").touch()

    assert main(["demo", "--state", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert os.listdir(tmp_path) == ["thesis.tex"]
