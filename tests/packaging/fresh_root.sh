#!/bin/sh
# A root with nothing but Debian 12's smallest set of packages, and commands run in it.
#
#   fresh_root.sh make DIR [PACKAGE...]        makes the root, with these packages besides
#   fresh_root.sh enter DIR [ARG...] <SCRIPT   runs the shell script on standard input in it
#
# Needs root, mmdebstrap, and Debian's archive over this system's own apt configuration (sources, mirror, proxy).
# What runs in the root has its own mounts and processes, which end with it; it shares the network, so it meets this
# system's ports. Exit status 77: one of these is missing.
set -eu
missing() {
  echo "fresh_root: $*" >&2
  exit 77
}

# Debian's own sources as this system has them.
debian_sources() {
  for file in /etc/apt/sources.list.d/*.sources; do
    if [ -r "$file" ] && grep -q '^Suites:.*bookworm' "$file" && grep -q 'debian-archive-keyring' "$file"; then
      cat "$file"
      return
    fi
  done
  if grep -Eqs '^deb .*bookworm' /etc/apt/sources.list; then
    grep -E '^deb .*bookworm' /etc/apt/sources.list
    return
  fi
  missing "needs Debian 12's sources in apt's configuration"
}

make_root() {
  root=$1
  shift
  [ "$(id -u)" = 0 ] || missing "needs root"
  command -v mmdebstrap >/dev/null || missing "needs mmdebstrap (apt-get install mmdebstrap)"
  parts=$(mktemp -d)
  apt-config dump | grep -E '^Acquire::(https?|Check-|Retries|ForceIPv)' >"$parts/apt.conf" || true
  debian_sources >"$parts/sources"
  status=0
  mmdebstrap --quiet --mode=root --variant=minbase --format=directory --aptopt="$parts/apt.conf" \
    ${1:+--include="$(echo "$*" | tr ' ' ',')"} bookworm "$root" "$parts/sources" >&2 || status=$?
  rm -rf "$parts"
  return $status
}

# In namespaces of its own.
mounts='
set -eu
root=$1
shift
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
for node in null zero full random urandom tty; do
  : >"$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for file in /etc/resolv.conf /etc/hosts; do
  [ ! -e "$file" ] || cp "$file" "$root$file"
done
cat >"$root/run/script"
exec env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  chroot "$root" sh /run/script "$@" </dev/null
'
enter_root() {
  [ "$(id -u)" = 0 ] && unshare --mount --pid --fork true 2>/dev/null || missing "needs root and mount namespaces"
  exec unshare --mount --pid --fork --kill-child sh -c "$mounts" mounts "$@"
}

case ${1:-} in
  make)
    shift
    make_root "$@"
    ;;
  enter)
    shift
    enter_root "$@"
    ;;
  *)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
