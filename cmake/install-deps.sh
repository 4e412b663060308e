#!/bin/sh
# Installs what Cairn builds and tests with, on Debian 12. Does nothing when everything is there.
#
#   cmake/install-deps.sh           as root, or with sudo on the path
#   cmake/install-deps.sh --bench   also the programs that tests/bench holds ours against
#   cmake/install-deps.sh --fuzz    also what libFuzzer needs
#
# Each line: package, and why it is needed.
set -eu
list() { sed -e 's/#.*//' | tr -s ' \n' '  '; }
packages=$(list <<'LIST'
build-essential cmake ninja-build   # compiler and build
ccache mold                         # repeated builds and links in seconds
pkg-config binutils xz-utils git ca-certificates
libabsl-dev                         # status, strings, containers, time: the vocabulary of every layer
liblmdb-dev                         # key-value store of the ledger and of the blob index (libbase/src only)
libisal-dev                         # Reed-Solomon (libstorage/src only)
libprotobuf-dev protobuf-compiler   # records and messages
libgrpc++-dev protobuf-compiler-grpc
libssl-dev                          # TLS under gRPC; node certificates
libboost-dev                        # Beast and Asio, header only: the HTTP listeners
libcli11-dev                        # command lines, completions and man pages from one tree
libtomlplusplus-dev                 # configuration files
libspdlog-dev                       # structured logs (behind apps/common/log)
prometheus-cpp-dev                  # metrics registry and text serializer
catch2                              # tests
file dpkg-dev                       # cpack finds out what the packages depend on
b3sum curl tmux openssl procps iproute2 python3   # the tests compare with, and drive, these programs
LIST
)
for extra in "$@"; do
  case $extra in
    --fuzz)
      packages="$packages $(list <<'LIST'
clang libclang-rt-14-dev            # libFuzzer and the sanitizers of clang (cmake/fuzz.cmake)
LIST
)"
      ;;
    --bench)
      packages="$packages $(list <<'LIST'
restic borgbackup                   # backup tools
nginx-light                         # sendfile over loopback
LIST
)"
      ;;
    *)
      echo "install-deps: unknown argument $extra" >&2
      exit 2
      ;;
  esac
done
missing=
for p in $packages; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
run=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || {
    echo "install-deps: missing:$missing" >&2
    echo "install-deps: run this as root, or install sudo" >&2
    exit 1
  }
  run=sudo
fi
echo "install-deps: installing$missing" >&2
$run apt-get update -qq >&2
$run env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >&2
