#!/usr/bin/env bash
# `make image`: builds the hub image from this checkout with docker, podman or buildah, the first that works here or
# the one that BUILDER names.
#
# IMAGE=name:tag names it (jhaws-hub:VERSION), BASE_IMAGE=name:tag is another base than the Dockerfile's.
# PIP_CONFIG_FILE and SSL_CERT_FILE, where set, name pip's settings and the certificate authorities for the build only.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "make image: $*" >&2; }

# An installed docker may be a client without an engine, or one that this user may not talk to.
find_builder() {
  local name
  for name in docker podman buildah; do
    if command -v "$name" >/dev/null && "$name" info >/dev/null 2>&1; then echo "$name"; return; fi
  done
}

builder=${BUILDER:-$(find_builder)}
if [ -z "$builder" ]; then
  say "neither docker nor podman nor buildah works here: install one of them, or start its engine, and run this again."
  exit 1
fi
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' jhaws/__init__.py)
image=${IMAGE:-jhaws-hub:$version}

options=(--file hub_image/Dockerfile --tag "$image" --build-arg "VERSION=$version")
[ -z "${BASE_IMAGE:-}" ] || options+=(--build-arg "BASE_IMAGE=$BASE_IMAGE")
if revision=$(git rev-parse HEAD 2>/dev/null); then
  [ -z "$(git status --porcelain -- jhaws hub_image pyproject.toml LICENSE README.md)" ] || revision+=-dirty
  # Where people find the source: without the name and password that such an address may carry.
  source=$(git remote get-url origin 2>/dev/null | sed -nE 's#^https://([^/@]*@)?#https://#p' || true)
  options+=(--build-arg "REVISION=$revision" --build-arg "SOURCE=$source")
fi
[ -z "${PIP_CONFIG_FILE:-}" ] || options+=(--secret "id=pip.conf,src=$PIP_CONFIG_FILE")
[ -z "${SSL_CERT_FILE:-}" ] || options+=(--secret "id=ca.crt,src=$SSL_CERT_FILE")

say "building $image with $builder ..."
case $builder in
  docker) DOCKER_BUILDKIT=1 docker build "${options[@]}" . ;;
  podman) podman build "${options[@]}" . ;;
  buildah) buildah build --layers "${options[@]}" . ;;
esac
say "$image is there. In z2jh's values: hub.image.name and hub.image.tag."
