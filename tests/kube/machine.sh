#!/usr/bin/env bash
# A machine inside this one: `machine.sh FOLDER`, as root. It has its own network, mounts, processes and host name. It
# sees this machine's files; what it writes stays in memory, except in FOLDER.
#
# When it is there, one line says `PID ADDRESS GATEWAY CGROUP`: its first process (the way in is nsenter), its address,
# this machine's address on the cable between the two, and its cgroup. It is there until the input of this script ends,
# also when that is because whoever held the other end was killed. Then its processes, mounts, network and cgroup are
# gone, and FOLDER/disk, for what is big, with them.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD

# Kubernetes sets these, and they are the same for the whole machine: in there they read as it wants them.
settings="vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000"

# list_hierarchies: where cgroups are made; one folder, or with version 1 one for each controller.
list_hierarchies() {
  local folder
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    echo /sys/fs/cgroup
    return
  fi
  for folder in /sys/fs/cgroup/*; do
    if [ -e "$folder/cgroup.procs" ] && [ ! -L "$folder" ]; then echo "$folder"; fi
  done
}

# A cable ends with its network, a cgroup does not end with its processes: one whose cable is gone is left over.
clean() {
  local hierarchy group
  for hierarchy in $(list_hierarchies); do
    for group in "$hierarchy"/jhaws-*; do
      if [ -d "$group" ] && [ ! -e "/sys/class/net/${group##*/}" ]; then remove_cgroup "$group"; fi
    done
  done
}

remove_cgroup() { # FOLDER
  for _ in {1..50}; do
    find "$1" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    if [ ! -d "$1" ]; then return; fi
    # A process in it is still ending.
    sleep 0.1
  done
}

# lay_cable LINK OUTSIDE: from the new network, where this runs, to that of the process OUTSIDE. 198.18.0.0/15 is meant
# for tests between two machines (RFC 2544); each of ours takes four addresses of it, chosen by its number.
lay_cable() {
  local block=$(($2 % 32768))
  local net=198.$((18 + block / 16384)).$((block / 64 % 256)) first=$((block % 64 * 4))
  gateway=$net.$((first + 1)) address=$net.$((first + 2))
  ip link add eth0 type veth peer name "$1" netns "$2"
  nsenter --target "$2" --net ip address add "$gateway/30" dev "$1"
  nsenter --target "$2" --net ip link set "$1" up
  ip address add "$address/30" dev eth0
  ip link set eth0 up
  ip link set lo up
}

make_cgroups() { # NAME
  local hierarchy controller group
  for hierarchy in $(list_hierarchies); do
    mkdir "$hierarchy/$1"
    for group in "$hierarchy" "$hierarchy/$1"; do
      # Version 2 only: what is counted in the folders below.
      for controller in $(cat "$group/cgroup.controllers" 2>/dev/null); do
        echo "+$controller" >"$group/cgroup.subtree_control" || true
      done
    done
  done
}

change_root() { # FOLDER
  local base=$1/machine root=$1/machine/root place
  mkdir "$base" "$1/disk"
  mount -t tmpfs machine "$base"
  mkdir "$root" "$base/written" "$base/work"
  mount -t overlay -o "lowerdir=/,upperdir=$base/written,workdir=$base/work" machine "$root"
  mount -t tmpfs run "$root/run"
  mount -t sysfs sys "$root/sys"
  for place in /sys/fs/cgroup /dev /proc; do mount --rbind "$place" "$root$place"; done
  for place in "$here" "$1"; do
    mkdir -p "$root$place"
    mount --bind "$place" "$root$place"
  done
  cd "$root"
  pivot_root . mnt
  umount -l mnt
  # Pods ask for mounts that they share with the machine.
  mount --make-rshared /
}

# The new network, mounts and host name are there, the new processes are not.
furnish() { # FOLDER LINK OUTSIDE
  lay_cable "$2" "$3"
  make_cgroups "$2"
  change_root "$1"
  hostname node
  exec unshare --pid --fork "$here/machine.sh" live "$address" "$gateway" "$2"
}

# The first of the new processes: the others end with it.
live() { # ADDRESS GATEWAY CGROUP
  local pid setting file
  read -r pid _ </proc/self/stat
  umount -l /proc
  mount -t proc proc /proc
  for setting in $settings; do
    file=$(mktemp /run/setting.XXXXXX)
    echo "${setting#*=}" >"$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
  done
  # Processes whose parents have ended become its children; ignored, they vanish when they end too.
  trap '' CHLD
  echo "$pid $*"
  exec cat >/dev/null
}

case $1 in
furnish | live) "$@" ;;
*)
  clean
  # This script has work to do at the end.
  trap '' HUP INT TERM
  unshare --net --mount --uts --ipc "$here/machine.sh" furnish "$1" "jhaws-$$" $$ || status=$?
  ip link delete "jhaws-$$" 2>/dev/null || true
  clean
  rm -rf "$1/disk" "$1/machine"
  exit "${status:-0}"
  ;;
esac
