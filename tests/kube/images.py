"""The container images of the tests on a real cluster, built on this machine: no registry can be reached.

All but the smallest stand on one base, which debootstrap makes of Debian packages from this machine's own mirror. The
recipes in `images/` are stand-ins for what a z2jh hub pulls, under the names it pulls them by. The product's own image
is built by `make image`'s script on the stand-in for z2jh's hub image.

buildah builds them, in a storage of our own, and keeps each layer there for the next time; whoever wants to start
from nothing deletes that folder. The settings of this machine for pip, and its certificate authorities, are mounted
into the builds and get into no image. For a person: `python -m tests.kube.images FOLDER [NAME ...]`.
"""

from __future__ import annotations

import argparse
import ast
import fcntl
import hashlib
import inspect
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.kube.programs import BIN, LOG_TAIL, KubeError, find_missing

REPOSITORY = Path(__file__).parents[2]
RECIPES = Path(__file__).parent / "images"
STORAGE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jhaws" / "test-images"

SUITE = "trixie"
BASE = f"localhost/jhaws-test/base:{SUITE}"
PACKAGES = (
    "ca-certificates",
    "git",
    "iptables",
    "libpq5",
    "nginx-light",
    "nodejs",
    "procps",
    "python3",
    "python3-venv",
    "sqlite3",
    "tini",
)
# Where Debian has its certificate authorities, in the images and, unless the environment says otherwise, here.
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
# What of pip's settings is about the network.
PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")

# What the builds are made with, by the Debian packages that bring them.
TOOLS = {"buildah": "buildah", "debootstrap": "debootstrap", "gcc": "gcc libc6-dev", "npm": "npm"}
# Two wait for the network or the disk while one computes.
WORKERS = 3


class ImageError(KubeError):
    """An image could not be built; the sentence says why."""


@dataclass(frozen=True)
class Image:
    """What an image is called in manifests, which one it stands on, and what prepares the folder it is built from."""

    reference: str
    parent: str = ""
    prepare: Callable[[Path], Path] = lambda folder: RECIPES


def compile_pause(folder: Path) -> Path:
    """Compile the program that holds a pod's namespaces."""
    run(["gcc", "-static", "-Os", "-s", "-o", str(folder / "pause"), str(RECIPES / "pause.c")])
    return folder


def fetch_proxy(folder: Path) -> Path:
    """Fetch configurable-http-proxy with the machine's npm."""
    version = IMAGES["proxy"].reference.rpartition(":")[2]
    options = ["--silent", "--no-fund", "--no-audit", "--fetch-timeout=60000", "--prefix", str(folder)]
    run(["npm", "install", *options, f"configurable-http-proxy@{version}"])
    return folder


# In the order in which they are started: first what others wait for, and what takes long.
IMAGES = {
    "base": Image(BASE),
    "hub-base": Image("quay.io/jupyterhub/k8s-hub:4.4.0", "base"),
    "singleuser": Image("quay.io/jupyterhub/k8s-singleuser-sample:4.4.0", "base"),
    "hub": Image("localhost/jhaws-hub:test", "hub-base"),
    "pause": Image("registry.k8s.io/pause:3.10.1", prepare=compile_pause),
    "coredns": Image("localhost/coredns:test", prepare=lambda folder: BIN),
    "kube-scheduler": Image("registry.k8s.io/kube-scheduler:v1.30.14", prepare=lambda folder: BIN),
    "proxy": Image("quay.io/jupyterhub/configurable-http-proxy:5.2.0", "base", fetch_proxy),
    "nginx": Image("docker.io/nginxinc/nginx-unprivileged:1.28", "base"),
    "network-tools": Image("quay.io/jupyterhub/k8s-network-tools:4.4.0", "base"),
    "image-awaiter": Image("quay.io/jupyterhub/k8s-image-awaiter:4.4.0", "base"),
}


def find_obstacle() -> str:
    """Say in a sentence why images cannot be built here; empty where they can."""
    if os.geteuid() != 0:
        return "The images for the tests are built by root, since debootstrap needs it: run this as root."
    if missing := [package for program, package in TOOLS.items() if not shutil.which(program)]:
        return f"The images for the tests cannot be built: run `apt-get install {' '.join(missing)}`."
    return find_missing(("coredns", "kube-scheduler"))


def build(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """Build the images with these names in IMAGES, and write each into an archive that `ctr images import` takes.

    Args:
        names: Which ones; those that they stand on are built too.
        folder: For the archives, `NAME.tar`; must be there.

    Raises:
        ImageError: One could not be built, or this machine can build none.
    """
    if sentence := find_obstacle():
        raise ImageError(sentence)
    began = time.monotonic()
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jhaws-images-")))
        stack.enter_context(_lock_storage())
        builder = _Builder(work)
        pool = ThreadPoolExecutor(2 * len(IMAGES))
        # After the first that fails, no other is begun.
        stack.callback(pool.shutdown, cancel_futures=True)
        jobs: dict[str, Future[None]] = {}
        for name in _with_parents(names):
            jobs[name] = pool.submit(builder.make, name, jobs.get(IMAGES[name].parent))
        archives = {name: pool.submit(builder.export, name, jobs[name], folder / f"{name}.tar") for name in names}
        found = {name: job.result() for name, job in archives.items()}
    say(f"{len(found)} images in {time.monotonic() - began:.0f} s")
    return found


@contextmanager
def mounted(name: str) -> Iterator[Path]:
    """Show the files of an image that `build` has built; what is changed in them is lost afterwards."""
    with tempfile.TemporaryDirectory(prefix="jhaws-images-") as work, _lock_storage():
        builder = _Builder(Path(work))
        try:
            yield builder.mount(name)
        finally:
            builder.clean()


class _Builder:
    """Runs buildah with our storage and this machine's settings."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._slots = threading.Semaphore(WORKERS)
        storage = work / "storage.conf"
        storage.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{STORAGE / "layers"}"\nrunroot = "{STORAGE / "run"}"\n'
        )
        self._authorities = Path(os.environ.get("SSL_CERT_FILE") or AUTHORITIES)
        self._pip = work / "pip.conf"
        self._pip.write_text(_read_pip_settings())
        self._environment = {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(storage),
            "BUILDAH_ISOLATION": "chroot",
            "PIP_CONFIG_FILE": str(self._pip),
            "SSL_CERT_FILE": str(self._authorities),
        }
        # What a killed run has left.
        self.clean()

    def make(self, name: str, parent: Future[None] | None) -> None:
        """Build one image, once its parent is there."""
        if parent:
            parent.result()
        with self._slots:
            began = time.monotonic()
            {"base": self._make_base, "hub": self._make_product}.get(name, self._make_from_recipe)(name)
            say(f"{name} built in {time.monotonic() - began:.0f} s")

    def export(self, name: str, made: Future[None], archive: Path) -> Path:
        """Write an image into an archive, uncompressed since it is read right away."""
        made.result()
        reference = IMAGES[name].reference
        with self._slots:
            archive.unlink(missing_ok=True)
            self._buildah("push", "--quiet", reference, f"docker-archive:{archive}:{reference}")
        return archive

    def mount(self, name: str) -> Path:
        """Give the folder with an image's files, for as long as there is no `clean`."""
        return Path(self._buildah("mount", self._buildah("from", IMAGES[name].reference)))

    def clean(self) -> None:
        """Remove all that is neither an image nor a layer of one."""
        self._buildah("rm", "--all")

    def _make_base(self, name: str) -> None:
        recipe = hashlib.sha256(f"{SUITE} {PACKAGES} {inspect.getsource(fill_base)}".encode()).hexdigest()[:16]
        made = f"{IMAGES[name].reference}-{recipe}"
        if not self._buildah("images", "--quiet", "--filter", f"reference={made}"):
            container = self._buildah("from", "scratch")
            fill_base(self._buildah("mount", container))
            self._buildah("commit", "--quiet", "--rm", container, made)
        self._buildah("tag", made, IMAGES[name].reference)

    def _make_product(self, name: str) -> None:
        image, base = IMAGES[name], IMAGES[IMAGES[name].parent]
        settings = {"BUILDER": "buildah", "IMAGE": image.reference, "BASE_IMAGE": base.reference}
        run([str(REPOSITORY / "hub_image" / "build.sh")], {**self._environment, **settings})

    def _make_from_recipe(self, name: str) -> None:
        folder = self._work / name
        folder.mkdir()
        context = IMAGES[name].prepare(folder)
        mounts = [f"{self._authorities}:{AUTHORITIES}:ro", f"{self._pip}:/etc/pip.conf:ro"]
        options = [f"--volume={mount}" for mount in mounts] if IMAGES[name].parent else []
        options += ["--file", str(RECIPES / name), "--tag", IMAGES[name].reference]
        self._buildah("build", "--quiet", "--layers", *options, str(context))

    def _buildah(self, *arguments: str) -> str:
        return run(["buildah", *arguments], self._environment)


def fill_base(root: str) -> None:
    """Put Debian into an empty folder, and nothing that only this machine knows."""
    options = ["--variant=minbase", f"--include={','.join(PACKAGES)}"]
    # What it mounts is gone with it.
    run(["unshare", "--mount", "debootstrap", *options, SUITE, root, find_mirror()])
    # As in the images of Python that z2jh uses: it is in /usr/local, and pip may change it.
    run(["chroot", root, "python3", "-m", "venv", "/usr/local"])
    Path(root, "etc/apt/sources.list").unlink()
    for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(Path(root, waste))


def find_mirror() -> str:
    """Find the Debian mirror that this machine's apt uses."""
    listed = run(["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Identifier: Packages"])
    for line in listed.splitlines():
        label, _, uri = line.partition(" ")
        if label == "Debian":
            return uri
    raise ImageError("apt knows no Debian mirror, and the tests' base image comes from there: run `apt-get update`.")


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Run a command to its end, and give what it printed.

    Raises:
        ImageError: It failed.
    """
    # It and all that it starts end when this process ends, also when that is killed.
    bound = ["setpriv", "--pdeathsig=KILL", "unshare", "--pid", "--fork", "--kill-child", *command]
    done = subprocess.run(bound, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = f"{done.stdout}\n{done.stderr}"[-LOG_TAIL:]
        raise ImageError(f"`{' '.join(command[:2])}` failed with {done.returncode}. The end of its output:\n{tail}")
    return done.stdout.strip()


def say(line: str) -> None:
    """Tell the person who waits."""
    print(f"images: {line}", file=sys.stderr, flush=True)


def _with_parents(names: Sequence[str]) -> list[str]:
    wanted = set(names)
    for name in reversed(IMAGES):
        if name in wanted and IMAGES[name].parent:
            wanted.add(IMAGES[name].parent)
    return [name for name in IMAGES if name in wanted]


def _lock_storage() -> IO[str]:
    """Wait until no other run uses the storage."""
    STORAGE.mkdir(parents=True, exist_ok=True)
    file = (STORAGE / "lock").open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _read_pip_settings() -> str:
    """Write down what pip on this machine knows about the network, from its files and the environment."""
    lines = run([sys.executable, "-m", "pip", "config", "list"]).splitlines()
    found = {}
    for line in lines:
        name, _, value = line.partition("=")
        # The environment's come last, and count.
        if (setting := name.rpartition(".")[2]) in PIP_SETTINGS:
            found[setting] = ast.literal_eval(value).replace("\n", "\n  ")
    return "\n".join(["[global]", *(f"{name} = {value}" for name, value in found.items()), ""])


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.kube.images", description=build.__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the archives go")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(IMAGES)}; all by default")
    options = parser.parse_args()
    try:
        for archive in build(options.names or list(IMAGES), options.folder).values():
            print(archive)
    except ImageError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
