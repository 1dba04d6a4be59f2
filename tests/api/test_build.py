"""`make kube`: what it builds when, and what it says where it cannot."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kube.controlplane import PROGRAMS
from tests.kube.node import NODE_PROGRAMS

KUBE = Path(__file__).parents[1] / "kube"

# All that the script runs, besides Go.
TOOLS = ("awk basename bash cat cut dirname env flock grep head ls mkdir mktemp mv rm sha256sum sort tail wc").split()

TINY = {
    "go.mod": "module tiny\n\ngo 1.24\n\ntool tiny\n",
    "go.sum": "",
    "main.go": 'package main\n\nfunc main() { println("tiny") }\n',
}


@pytest.fixture
def kube(tmp_path: Path) -> Path:
    """A copy of the script with one small module."""
    folder = tmp_path / "kube"
    (folder / "modules" / "tiny").mkdir(parents=True)
    shutil.copy(KUBE / "build.sh", folder)
    for name, text in TINY.items():
        (folder / "modules" / "tiny" / name).write_text(text)
    return folder


def build(kube: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    return subprocess.run(
        [kube / "build.sh"], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def make_path(folder: Path, go: str = "") -> str:
    """Make a PATH without Go, or with a Go that says it is of this version."""
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool))
    if go:
        (folder / "go").write_text(f"#!/usr/bin/env bash\necho {go}\n")
        (folder / "go").chmod(0o755)
    return str(folder)


@pytest.mark.skipif(not shutil.which("go"), reason="There is no Go on the PATH: install it to test `make kube`.")
def test_builds_what_is_missing_or_changed_and_nothing_else(kube: Path) -> None:
    """A program is built once, and again when it is gone or its module changed."""
    program, module = kube / "bin" / "tiny", kube / "modules" / "tiny" / "go.mod"
    assert build(kube).stderr == "make kube: building tiny ...\n"
    assert subprocess.run([program], capture_output=True, text=True, check=True).stderr == "tiny\n"
    built = program.stat()

    assert (build(kube).stderr, program.stat()) == ("", built)
    program.unlink()
    assert build(kube).stderr == "make kube: building tiny ...\n"
    module.write_text(module.read_text() + "// changed\n")
    assert build(kube).stderr == "make kube: building tiny ...\n"
    assert sorted(entry.name for entry in (kube / "bin").iterdir()) == [".lock", ".tiny.built", "tiny"]


@pytest.mark.skipif(not shutil.which("go"), reason="There is no Go on the PATH: install it to test `make kube`.")
def test_failed_build_is_a_failure(kube: Path) -> None:
    """What does not compile is not taken for built; go.mod and go.sum are never written."""
    source = kube / "modules" / "tiny" / "main.go"
    source.write_text('package main\n\nimport _ "example.org/nowhere"\n')
    before = {path: path.read_text() for path in source.parent.iterdir()}
    for _ in range(2):
        done = build(kube)
        assert done.returncode == 1
        assert "example.org/nowhere" in done.stderr

    assert {path: path.read_text() for path in source.parent.iterdir()} == before
    assert [entry.name for entry in (kube / "bin").iterdir()] == [".lock"]


def test_without_go_it_says_so(kube: Path, tmp_path: Path) -> None:
    """A machine without Go gets a sentence with the version that is needed; what is built needs none."""
    path = make_path(tmp_path / "path")
    done = build(kube, PATH=path)
    assert (done.returncode, done.stdout) == (1, "")
    sentence = "there is no Go on the PATH, and tiny is built with it. Install Go 1.24 or newer, then run this again."
    assert done.stderr == f"make kube: {sentence}\n"

    if shutil.which("go"):
        build(kube)
        done = build(kube, PATH=path)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("version", "new_enough"), [("go1.9.7", False), ("go1.23.12", False), ("go1.24", True)])
def test_old_go_is_a_sentence(kube: Path, tmp_path: Path, version: str, new_enough: bool) -> None:
    """A Go that is older than a module wants is named, and nothing is downloaded instead."""
    done = build(kube, PATH=make_path(tmp_path / "path", version))

    assert done.returncode == 1  # this Go says its version, and no more
    complaint = f"tiny needs Go 1.24 or newer, and {tmp_path}/path/go is {version.removeprefix('go')}."
    assert (complaint in done.stderr) != new_enough


def test_all_parts_of_kubernetes_are_of_one_release() -> None:
    """The programs that the tests run are built, and each part of Kubernetes is v0.N.P beside v1.N.P."""
    modules = {path.parent.name: path.read_text() for path in (KUBE / "modules").glob("*/go.mod")}
    (release,) = re.findall(r"k8s.io/kubernetes v1\.(\S+)", modules["kubernetes"])
    parts = re.findall(r"(k8s.io/\S+) => (\S+) v0\.(\S+)", modules["kubernetes"])

    assert {(name == source, version) for name, source, version in parts} == {(True, release)}
    built = {*re.findall(r"k8s.io/kubernetes/cmd/(\S+)", modules["kubernetes"]), *(modules.keys() - {"kubernetes"})}
    assert built >= {*PROGRAMS, *NODE_PROGRAMS, "coredns"}
