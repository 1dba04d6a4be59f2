"""What can be said of the hub image without building it."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.kube import images

REPOSITORY = Path(__file__).parents[2]
HUB_IMAGE = REPOSITORY / "hub_image"
RECIPES = REPOSITORY / "tests" / "kube" / "images"
DOCKERFILE = (HUB_IMAGE / "Dockerfile").read_text()
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
PINNED = ["requirements.txt", "build-requirements.txt"]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HUB_IMAGE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check = load("check")
make_sbom = load("make_sbom")


def read_requirements(path: Path) -> list[str]:
    """Give each requirement with its options on one line, without comments."""
    text = path.read_text().replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line.split(" --hash")[0]).name) for line in requirements}


class TestDockerfile:
    """How the image is built."""

    def test_names_a_version_of_its_base(self) -> None:
        """The base is an argument with a version, and every stage stands on it."""
        assert re.search(r"^ARG BASE_IMAGE=\S+/k8s-hub:\d+\.\d+\.\d+$", DOCKERFILE, re.MULTILINE)
        stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
        assert set(stages) == {"${BASE_IMAGE}"}

    @pytest.mark.parametrize(
        "recipe", [HUB_IMAGE / "Dockerfile", *sorted(RECIPES.iterdir())], ids=lambda path: path.name
    )
    def test_nothing_is_the_latest(self, recipe: Path) -> None:
        """No image is named by a tag that means another one tomorrow."""
        text = recipe.read_text()
        assert ":latest" not in text
        for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE):
            assert image in ("scratch", "${BASE_IMAGE}") or ":" in image

    def test_ends_as_the_unprivileged_user(self) -> None:
        """The last user is z2jh's, by number, so that Kubernetes can tell that it is not root."""
        assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)[-1] == str(check.USER) == "1000"

    def test_final_stage_installs_from_wheels_only(self) -> None:
        """In the final stage no package comes from the network, and none is replaced that was not asked for."""
        final = DOCKERFILE.rpartition("\nFROM ")[2]
        [install] = re.findall(r"pip [^&]*? install [^&]*", final.replace("\\\n", " "))
        assert {"--no-index", "--no-deps", "--no-cache-dir"} <= set(install.split())
        assert "apt" not in final

    def test_context_has_what_is_copied(self) -> None:
        """What the Dockerfile copies from the checkout is there, and .dockerignore lets it through."""
        lines = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        copied = [source for line in lines for source in line.split()]
        allowed = re.findall(r"^!(\S+)$", (REPOSITORY / ".dockerignore").read_text(), re.MULTILINE)
        assert copied
        for source in copied:
            assert (REPOSITORY / source).exists(), source
            assert source.partition("/")[0] in allowed, source


class TestRequirements:
    """What is installed into it."""

    @pytest.mark.parametrize("name", PINNED)
    def test_every_one_has_a_version_and_a_hash(self, name: str) -> None:
        """Each requirement is one version, by its files' hashes."""
        requirements = read_requirements(HUB_IMAGE / name)
        assert requirements
        for line in requirements:
            assert re.fullmatch(r"[\w.-]+==\S+( ; [^-]+?)?(\s+--hash=sha256:[0-9a-f]{64})+", line), line

    @pytest.mark.parametrize("name", PINNED)
    def test_are_those_of_their_source(self, name: str) -> None:
        """The file with the hashes was made from the file for people."""
        wanted = [line.partition("#")[0] for line in (HUB_IMAGE / name.replace(".txt", ".in")).read_text().splitlines()]
        pinned = read_requirements(HUB_IMAGE / name)
        for line in filter(str.strip, wanted):
            [found] = [each for each in pinned if names([each]) == names([line])]
            assert Requirement(found.split(" --hash")[0]).specifier == Requirement(line).specifier or "==" not in line

    def test_image_has_all_that_jhaws_needs(self) -> None:
        """What jhaws depends on is in z2jh's image, as the stand-in for it says, or is brought along; and fits."""
        base = read_requirements(RECIPES / "hub-base.txt")
        brought = read_requirements(HUB_IMAGE / "requirements.txt")
        versions = {}
        for line in [*base, *brought]:
            requirement = Requirement(line.split(" --hash")[0])
            [specifier] = requirement.specifier
            versions[canonicalize_name(requirement.name)] = specifier.version
        for line in PROJECT["dependencies"]:
            needed = Requirement(line)
            assert needed.specifier.contains(versions[canonicalize_name(needed.name)]), line

    def test_wheel_is_made_with_what_pyproject_names(self) -> None:
        """The tools that make the wheel are pinned, and fit pyproject.toml."""
        build = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["build-system"]["requires"]
        pinned = {Requirement(line.split(" --hash")[0]).name: line for line in read_requirements(HUB_IMAGE / PINNED[1])}
        for line in build:
            needed = Requirement(line)
            [specifier] = Requirement(pinned[needed.name].split(" --hash")[0]).specifier
            assert needed.specifier.contains(specifier.version)


class TestConfiguration:
    """What it puts into a hub's configuration."""

    def test_is_two_lines(self) -> None:
        """The hub's configuration file puts jhaws in, and decides nothing."""
        [path] = (HUB_IMAGE / "jupyterhub_config.d").iterdir()
        lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
        assert [line for line in lines if line] == ["from jhaws.hub import configure", "configure(c)"]
        assert check.CONFIG.endswith(f"/{path.name}")


class TestCheck:
    """What it says of a wrong base."""

    def test_limits_are_those_of_pyproject(self) -> None:
        """The check of the base has the limits of pyproject.toml."""
        assert SpecifierSet(f">={check.dotted(check.PYTHON)}") == SpecifierSet(PROJECT["requires-python"])
        [jupyterhub] = [Requirement(line) for line in PROJECT["dependencies"] if Requirement(line).name == "jupyterhub"]
        oldest, beyond = map(check.dotted, check.JUPYTERHUB)
        assert jupyterhub.specifier == SpecifierSet(f">={oldest},<{beyond}")

    @pytest.mark.parametrize(
        ("version", "sentence"),
        [
            ((3, 14, 1), ""),
            ((3, 11, 0), ""),
            ((3, 10, 9), "has Python 3.10.9, and jhaws needs 3.11 or newer"),
            ((3, 9, 2), "has Python 3.9.2, and jhaws needs 3.11 or newer"),
        ],
    )
    def test_python(self, version: tuple[int, ...], sentence: str) -> None:
        """A base with an older Python is refused."""
        assert check.judge_python(version) == sentence

    @pytest.mark.parametrize(
        ("version", "sentence"),
        [
            ("5.5.0", ""),
            ("6.0.0b2", ""),
            ("6.1.1", ""),
            ("5.4.9", "has JupyterHub 5.4.9, and jhaws needs at least 5.5 and less than 7"),
            ("4.1.6", "has JupyterHub 4.1.6, and jhaws needs at least 5.5 and less than 7"),
            ("7.0.0", "has JupyterHub 7.0.0, and jhaws needs at least 5.5 and less than 7"),
        ],
    )
    def test_jupyterhub(self, version: str, sentence: str) -> None:
        """A base with a JupyterHub that jhaws was not made for is refused."""
        assert check.judge_jupyterhub(version) == sentence

    def test_no_jupyterhub(self) -> None:
        """A base without JupyterHub is refused."""
        assert "has no JupyterHub in the Python of " in check.judge_jupyterhub("")

    def test_home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A base without the hub's folder, or where another user has it, is refused."""
        monkeypatch.setattr(check, "USER", tmp_path.stat().st_uid)
        assert check.judge_home(str(tmp_path)) == ""
        assert check.judge_home(str(tmp_path / "none")).startswith("has no folder ")
        monkeypatch.setattr(check, "USER", tmp_path.stat().st_uid + 1)
        assert check.judge_home(str(tmp_path)).startswith("has no folder ")

    def test_versions(self) -> None:
        """A package that is missing or of another version is named with what was found; an extra's is not wanted."""
        traitlets = metadata.version("traitlets")
        needed = ["traitlets>=1", 'no-such-package; extra == "test"']
        assert check.judge_versions(f"traitlets=={traitlets} \\\n    --hash=sha256:0\n", needed) == ""
        assert check.judge_versions("traitlets==1.0 \\\n    --hash=sha256:0\n", ["no-such-package>=2"]) == (
            f"lacks traitlets==1.0 (found: {traitlets}), no-such-package>=2 (found: none)"
        )
        assert check.judge_versions("", ["no-such-package"]) == "lacks no-such-package (found: none)"

    def test_jhaws(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An image is refused whose label is not its version, that has no configuration file, or cannot load jhaws."""
        monkeypatch.setattr(check, "CONFIG", str(tmp_path / "10-jhaws.py"))
        assert "10-jhaws.py that user" in check.judge_jhaws("")
        (tmp_path / "10-jhaws.py").touch()
        assert check.judge_jhaws(metadata.version("jhaws")) == ""
        assert check.judge_jhaws("0.0.0").startswith("is labelled 0.0.0, but has jhaws ")
        monkeypatch.setitem(sys.modules, "jhaws.hub", None)
        assert check.judge_jhaws("").startswith("cannot load jhaws.hub: ")

    def test_user(self) -> None:
        """An image that runs as root is refused."""
        assert check.judge_user(1000) == ""
        assert check.judge_user(0) == "runs as user 0, and z2jh's is 1000"

    def test_ends_with_one_sentence_a_mistake(self) -> None:
        """A wrong base ends the build with a sentence that names it and says what to do."""
        environment = {"BASE_IMAGE": "example/hub:1", "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            [sys.executable, "-S", str(HUB_IMAGE / "check.py"), "base"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        for line in done.stderr.splitlines():
            assert line.startswith("The base image example/hub:1 has ")
            assert line.endswith(check.ADVICE)


class TestRecipes:
    """The images of the tests on a real cluster."""

    def test_each_image_has_its_recipe(self) -> None:
        """Each stand-in has a recipe of its name, and is built after the image that this one stands on."""
        made = [name for name in images.IMAGES if name not in ("base", "hub")]
        assert set(made) == {path.name for path in RECIPES.iterdir() if path.is_file() and not path.suffix}
        for name in made:
            parent = images.IMAGES[name].parent
            stands_on = images.IMAGES[parent].reference if parent else "scratch"
            assert re.findall(r"^FROM (\S+)", (RECIPES / name).read_text(), re.MULTILINE) == [stands_on]
            assert not parent or list(images.IMAGES).index(parent) < list(images.IMAGES).index(name)

    def test_stand_in_is_of_the_base(self) -> None:
        """The stand-in has the name of the base that the Dockerfile names."""
        assert f"ARG BASE_IMAGE={images.IMAGES['hub-base'].reference}\n" in DOCKERFILE

    def test_says_what_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where images cannot be built, the sentence names the packages to install, or root."""
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr(images.os, "geteuid", lambda: 0)
        assert images.find_obstacle().endswith("run `apt-get install buildah debootstrap gcc libc6-dev npm`.")
        monkeypatch.setattr(images.os, "geteuid", lambda: 1000)
        assert "run this as root" in images.find_obstacle()


class TestSbom:
    """What it says of its packages."""

    def test_names_each_package_once_by_its_purl(self) -> None:
        """Every package that Python finds is in it, with its version and a package URL of its own."""
        components = make_sbom.find_python_packages()
        found = {component["name"]: component for component in components}
        assert len(components) == len({component["bom-ref"] for component in components})
        version = metadata.version("SQLAlchemy")
        assert found["sqlalchemy"]["purl"] == f"pkg:pypi/sqlalchemy@{version}"
        assert found["jhaws"]["licenses"] == [{"expression": "BSD-3-Clause"}]

    def test_reads_what_dpkg_has_installed(self) -> None:
        """Of dpkg's packages those that are installed are in it, with characters of their version escaped."""
        status = (
            "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2:2.41-12+deb13u4~x\n"
            "\nPackage: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n"
        )
        purl = "pkg:deb/debian/libc6@2%3A2.41-12%2Bdeb13u4~x?arch=amd64"
        assert make_sbom.read_debian_packages(status) == [
            {"type": "library", "bom-ref": purl, "name": "libc6", "version": "2:2.41-12+deb13u4~x", "purl": purl}
        ]

    def test_same_packages_give_the_same_text(self) -> None:
        """The document does not depend on the order in which packages are found."""
        first, second = ({"purl": f"pkg:pypi/{name}@1", "name": name} for name in "ab")
        sbom = make_sbom.make_sbom([second, first], "1.0")
        assert sbom == make_sbom.make_sbom([first, second], "1.0")
        assert sbom["components"] == [first, second]
        assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")


class TestBuildScript:
    """How `make image` builds it."""

    def test_says_what_is_missing(self, tmp_path: Path) -> None:
        """Where nothing can build images, it says so and what to do; a client without its engine does not count."""
        for name in ("bash", "dirname"):
            (tmp_path / name).symlink_to(f"/usr/bin/{name}")
        docker = tmp_path / "docker"
        docker.write_text("#!/usr/bin/env bash\nexit 1\n")
        docker.chmod(0o755)
        done = subprocess.run(
            ["/usr/bin/bash", str(HUB_IMAGE / "build.sh")],
            env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert "neither docker nor podman nor buildah works here" in done.stderr

    def test_hands_over_what_it_was_told(self, tmp_path: Path) -> None:
        """The name, the base, the version and the secrets reach the program that builds, and no other base does."""
        docker = tmp_path / "docker"
        docker.write_text('#!/bin/sh\n[ "$1" = info ] || printf "%s\\n" "$@"\n')
        docker.chmod(0o755)
        settings = {
            "IMAGE": "example/hub:2",
            "BASE_IMAGE": "example/base:1",
            "PIP_CONFIG_FILE": "/x/pip.conf",
            "SSL_CERT_FILE": "/x/ca.crt",
        }
        done = subprocess.run(
            [str(HUB_IMAGE / "build.sh")],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", **settings}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        said = done.stdout.splitlines()
        assert said[:5] == ["build", "--file", "hub_image/Dockerfile", "--tag", "example/hub:2"]
        assert f"VERSION={metadata.version('jhaws')}" in said
        assert "BASE_IMAGE=example/base:1" in said
        assert {"id=pip.conf,src=/x/pip.conf", "id=ca.crt,src=/x/ca.crt"} <= set(said)
        assert said[-1] == "."
