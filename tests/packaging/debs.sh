#!/bin/sh
# debs.sh BUILD_TREE: makes the Debian packages and installs them over a throw-away layer of this system's root: the
# daemon runs as its unit's user on the packaged configuration, a program links against the libraries, a purge leaves
# nothing. Exit status 77 (skipped) without root or overlays.
set -eu
build=$1
if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
  echo "debs: needs root and a mount namespace; skipped"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/layer"
cpack -G DEB --config "$build/CPackConfig.cmake" -B "$work/debs" >"$work/cpack.log" 2>&1 || {
  cat "$work/cpack.log"
  exit 1
}

cat >"$work/inside" <<'INSIDE'
set -eu
must() { "$@" || { echo "debs: failed: $*" >&2; exit 1; }; }
dpkg -i /root/debs/*.deb >/root/dpkg.log 2>&1 || { cat /root/dpkg.log; exit 1; }
for daemon in chaind storaged; do
  must test "$(stat -c %U:%a /var/lib/cairn/$daemon)" = "cairn-$daemon:700"
  must runuser -u cairn-$daemon -- $daemon --config /etc/cairn/$daemon.toml config check
done

# As the unit does it, on free ports.
as_unit() { runuser -u cairn-chaind -- chaind --config /etc/cairn/chaind.toml "$@"; }
must as_unit init >/dev/null
as_unit --net.listen=127.0.0.1:0 --http.listen=off run >/root/run.log 2>&1 &
pid=$!
for _ in $(seq 100); do
  grep -q chaind.ready /root/run.log && break
  sleep 0.1
done
must grep -q chaind.ready /root/run.log
pkill -TERM -P $pid || kill $pid
wait $pid || true
must grep -q chaind.stopped /root/run.log

printf '#include "cairn/base/hash.h"\nint main() { return cairn::base::Blake3({}).empty(); }\n' >/root/link.cc
must c++ -std=c++20 -o /root/link /root/link.cc $(pkg-config --cflags --libs cairn-base)
must /root/link

dpkg --purge cairn-programs libcairn-dev >/root/dpkg.log 2>&1 || { cat /root/dpkg.log; exit 1; }
for left in /etc/cairn /var/lib/cairn /usr/share/cairn /usr/bin/chaind /usr/lib/libcairn_base.a; do
  must test ! -e $left
done
echo "installed, run as its user, linked against, purged"
INSIDE

cat >"$work/outside" <<'OUTSIDE'
set -eu
mount -t tmpfs none "$1/layer" || exit 77
mkdir "$1/layer/upper" "$1/layer/work" "$1/layer/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/layer/upper,workdir=$1/layer/work" "$1/layer/root" || exit 77
root=$1/layer/root
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mkdir "$root/root/debs"
cp "$1"/debs/*.deb "$root/root/debs/"
exec env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" sh -s <"$1/inside"
OUTSIDE
unshare -m sh "$work/outside" "$work"
