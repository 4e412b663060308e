#!/bin/sh
# consumer_build.sh PREFIX COMPONENTS
# Builds and runs, against the libraries installed below PREFIX, what an embedder would write: with every C++ compiler at
# hand through CMake, and through pkg-config with gRPC, protobuf and Abseil as shared libraries and as archives (Debian
# ships both; its CMake packages name the shared ones).
set -eu
prefix=$1 components=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; echo "consumer: failed: $*" >&2; exit 1; }; }

# Every public header in one unit, and again in the opposite order: what compiles by chance shows in one of the two.
mkdir "$work/headers"
for name in $(echo "$components" | tr ';' ' '); do
  case $name in
    client) (cd "$prefix/include/cairn-client" && find apps/client -name '*.h' | LC_ALL=C sort) ;;
    *) (cd "$prefix/include" && find "cairn/$name" -name '*.h' ! -name '*.pb.h' | LC_ALL=C sort) ;;
  esac
done | sed 's/.*/#include "&"/' >"$work/headers/forward.cc"
tac "$work/headers/forward.cc" >"$work/headers/backward.cc"
echo 'int main() { return 0; }' >"$work/headers/main.cc"

with_client=
case ";$components;" in *";client;"*) with_client=own_libraries ;; esac
for compiler in g++ clang++; do
  command -v $compiler >/dev/null || continue
  quietly cmake -S "$here/consumer" -B "$work/$compiler" -DCMAKE_CXX_COMPILER=$compiler -DCMAKE_PREFIX_PATH="$prefix" \
    -DCONSUMER_COMPONENTS="$components" -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror" \
    -DCONSUMER_HEADERS="$work/headers/main.cc;$work/headers/forward.cc;$work/headers/backward.cc"
  quietly cmake --build "$work/$compiler" -j 2
  for program in keep two_cryptos two_cryptos_reversed $with_client all_headers; do
    "$work/$compiler/$program"
  done
done

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name cairn-base.pc)")
export PKG_CONFIG_PATH
quietly g++ -std=c++20 -o "$work/keep" "$here/consumer/keep.cc" $(pkg-config --cflags --libs cairn-storage cairn-payment)
"$work/keep"
[ -n "$with_client" ] || exit 0

# The same application by pkg-config: with shared libraries, then with archives wherever one is there.
protoc -I"$here/consumer" --cpp_out="$work" own.proto google/rpc/status.proto
sources="$here/consumer/own_libraries.cc $work/own.pb.cc $work/google/rpc/status.pb.cc"
quietly g++ -std=c++20 -o "$work/shared" -I"$work" $sources $(pkg-config --cflags --libs cairn-client) -lcrypto
"$work/shared"
archives=
for word in $(pkg-config --libs --static cairn-client); do
  case $word in
    -lgrpc* | -lgpr | -lupb | -laddress_sorting | -lre2 | -lcares | -labsl_* | -lprotobuf)
      archives="$archives -l:lib${word#-l}.a"
      ;;
    *) archives="$archives $word" ;;
  esac
done
quietly g++ -std=c++20 -o "$work/archives" -I"$work" $(pkg-config --cflags cairn-client) $sources \
  -Wl,--start-group $archives -lcrypto -Wl,--end-group
if ldd "$work/archives" | grep -E 'libgrpc|libprotobuf|libabsl'; then
  echo "consumer: the program above should have no shared gRPC" >&2
  exit 1
fi
"$work/archives"
