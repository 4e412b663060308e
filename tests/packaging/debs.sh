#!/bin/sh
# The Debian packages installed, run as their units run them, linked against, and purged (installed.sh).
#
#   debs.sh BUILD_TREE         packages of that tree, over a throw-away layer of this system's root
#   debs.sh --fresh FOLDER     packages in FOLDER, in a fresh root that apt fills with what they depend on
#
# Exit status 77 (skipped): without root and overlays, or without what fresh_root.sh needs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
give() {  # ROOT DEBS: what the inside needs
  mkdir -p "$1/root/debs"
  cp "$2"/*.deb "$1/root/debs/"
  cp -r "$here/installed.sh" "$here/consumer_build.sh" "$here/consumer" "$1/root/"
}

if [ "$1" = --fresh ]; then
  sh "$here/fresh_root.sh" make "$work/root"
  give "$work/root" "$2"
  sh "$here/fresh_root.sh" enter "$work/root" fresh <"$here/installed.sh"
  exit
fi

if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
  echo "debs: needs root and a mount namespace; skipped"
  exit 77
fi
mkdir "$work/debs" "$work/layer"
cpack -G DEB --config "$1/CPackConfig.cmake" -B "$work/debs" >"$work/cpack.log" 2>&1 || {
  cat "$work/cpack.log"
  exit 1
}
cat >"$work/outside" <<'OUTSIDE'
set -eu
mount -t tmpfs none "$1/layer" || exit 77
mkdir "$1/layer/upper" "$1/layer/work" "$1/layer/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/layer/upper,workdir=$1/layer/work" "$1/layer/root" || exit 77
root=$1/layer/root
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mkdir -p "$root/root/cairn-debs"
cp -r "$1/debs" "$2/installed.sh" "$2/consumer_build.sh" "$2/consumer" "$root/root/cairn-debs/"
exec env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root/cairn-debs \
  chroot "$root" sh /root/cairn-debs/installed.sh layer </dev/null
OUTSIDE
unshare --mount --pid --fork --kill-child sh "$work/outside" "$work" "$here"
