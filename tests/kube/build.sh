#!/usr/bin/env bash
# `make kube`: builds each folder of modules/ into bin/, from the versions its go.mod and go.sum pin. A folder is built
# again when it or this file changed, or a program is missing; Go's own build cache then makes it a matter of seconds,
# also in another clone. A folder with one program gives it the folder's name.
set -euo pipefail
cd "$(dirname "$0")"
bin=$PWD/bin

# What a person's own settings would change: no toolchain is downloaded, nothing in go.mod and go.sum is touched.
export GOTOOLCHAIN=local GOWORK=off GOFLAGS=-mod=readonly CGO_ENABLED=0

say() { echo "make kube: $*" >&2; }

# is_built FOLDER CHECKSUM: the stamp holds the checksum of what was built, then the programs.
is_built() {
  local stamp=$bin/.$1.built name
  [ "$(head -n 1 "$stamp" 2>/dev/null)" = "$2" ] || return 1
  while read -r name; do [ -x "$bin/$name" ] || return 1; done < <(tail -n +2 "$stamp")
}

require_go() { # FOLDER
  local wanted found
  wanted=$(awk '$1 == "go" {print $2}' "modules/$1/go.mod")
  if ! command -v go >/dev/null; then
    say "there is no Go on the PATH, and $1 is built with it. Install Go $wanted or newer, then run this again."
    exit 1
  fi
  found=$(go env GOVERSION)
  if [ "$(printf '%s\n' "$wanted" "${found#go}" | sort -V | head -n 1)" != "$wanted" ]; then
    say "$1 needs Go $wanted or newer, and $(command -v go) is ${found#go}. Install a newer one, then run this again."
    exit 1
  fi
}

make_ldflags() { # FOLDER
  local version flags="-s -w" package=k8s.io/component-base/version
  if [ "$1" = kubernetes ]; then
    # It would say v0.0.0 otherwise, which clients compare with what they need.
    version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
    flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$(cut -d. -f2 <<<"$version")"
  fi
  echo "$flags"
}

build() ( # FOLDER CHECKSUM
  require_go "$1"
  say "building $1 ..."
  cd "modules/$1"
  # Programs are put in place whole: one that runs is not disturbed, one that is there is complete.
  fresh=$(mktemp -d "$bin/.fresh.XXXXXX")
  trap 'rm -rf "$fresh"' EXIT
  tools=$(go list tool)
  if [ "$(wc -l <<<"$tools")" = 1 ]; then target=$fresh/$1; else target=$fresh/; fi
  go build -trimpath -buildvcs=false -ldflags "$(make_ldflags "$1")" -o "$target" tool 2>&1 |
    { grep -v '^go: downloading' >&2 || true; }
  names=$(ls "$fresh")
  rm -f "$bin/.$1.built"
  mv "$fresh"/* "$bin/"
  printf '%s\n' "$2" "$names" >"$fresh/stamp"
  mv "$fresh/stamp" "$bin/.$1.built"
)

mkdir -p "$bin"
# A second `make kube` waits for the first, and then has nothing to do. What a killed one left is removed.
exec 9>"$bin/.lock"
flock 9
rm -rf "$bin"/.fresh.*
for folder in modules/*/; do
  folder=$(basename "$folder")
  checksum=$(cat build.sh "modules/$folder/go.mod" "modules/$folder/go.sum" | sha256sum | cut -d' ' -f1)
  is_built "$folder" "$checksum" || build "$folder" "$checksum"
done
