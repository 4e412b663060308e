#!/bin/sh
# Brings the C sources of a library that Debian ships only as source, with apt's own configuration, without root and
# without touching the system's apt state.
#
#   fetch-source.sh boringssl DEST     Debian's source package, trimmed to what libcrypto needs
#   fetch-source.sh blake3 DEST        the official C sources inside librust-blake3-dev
#
# DEST appears whole or not at all.
set -eu
what=$1
dest=$2
case $dest in /*) ;; *) dest=$(pwd)/$dest ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work/parts" "$work/lists/partial" "$work/cache/archives/partial" "$(dirname "$dest")"

# The system's own package sources, binary and source, in a private apt state.
for f in /etc/apt/sources.list.d/*.sources; do
  [ -r "$f" ] || continue
  sed -E 's/^Types:.*/Types: deb deb-src/' "$f" >"$work/parts/$(basename "$f")"
done
for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ -r "$f" ] || continue
  sed -nE 's/^deb([[:space:]].*)/deb\1\ndeb-src\1/p' "$f" >>"$work/parts/$(basename "$f" .list).list"
done
private_apt() {
  apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/parts" \
    -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" \
    -o APT::Sandbox::User="$(id -un)" "$@" >&2
}
check() { echo "$2  $1" | sha256sum -c - >&2; }

private_apt update
rm -rf "$dest.partial"
mkdir -p "$dest.partial"
case $what in
  boringssl)
    version=13.0.0+r24
    (cd "$work" && private_apt source --download-only android-platform-external-boringssl)
    tarball=$work/android-platform-external-boringssl_$version.orig.tar.xz
    check "$tarball" 583b7aeee1fca68b8244d086cea6fca23bd19d517bd63f0b9de714e048f92a7d
    tar -xJf "$tarball" -C "$dest.partial" --strip-components=1 --wildcards \
      --exclude='*_test*' --exclude='*/test/*.txt' \
      '*/android-sources.cmake' '*/err_data.c' '*/LICENSE' '*/linux-x86_64/*' '*/linux-aarch64/*' \
      '*/src/crypto/*' '*/src/include/*' '*/src/third_party/fiat/*'
    ;;
  blake3)
    (cd "$work" && private_apt download librust-blake3-dev=1.3.1-1)
    dpkg-deb -x "$work"/librust-blake3-dev_1.3.1-1_*.deb "$work/unpacked"
    cd "$work"/unpacked/usr/share/cargo/registry/blake3-1.3.1/c
    # The package differs by architecture, the sources do not.
    cat blake3.c blake3.h blake3_impl.h blake3_dispatch.c blake3_portable.c \
      blake3_avx512_x86-64_unix.S >"$work/sources"
    check "$work/sources" 931be192e32f73618392e987039ee529dc02f2b3b672333bf45300f053c0188f
    cp ./*.c ./*.h ./*.S "$dest.partial/"
    cd /
    ;;
  *)
    echo "fetch-source: unknown library $what" >&2
    exit 2
    ;;
esac
rm -rf "$dest"
mv "$dest.partial" "$dest"
