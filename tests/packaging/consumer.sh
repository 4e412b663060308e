#!/bin/sh
# consumer.sh BUILD_TREE SOURCE_TREE COMPONENTS
# Installs the libraries into an empty prefix, moves it (nothing may point at where it was), and builds and runs the
# consumer against it: with every C++ compiler at hand through CMake, and once through pkg-config.
set -eu
build=$1 source=$2 components=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/first" --component libcairn-dev >"$work/install.log"
mv "$work/first" "$work/prefix"
prefix=$work/prefix
if grep -rlF -e "$build" -e "$source" -e "$work/first" "$prefix" --include='*.cmake' --include='*.pc' --include='*.h'; then
  echo "consumer: the files above name the build, the source tree or the first prefix" >&2
  exit 1
fi

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

for compiler in g++ clang++; do
  command -v $compiler >/dev/null || continue
  cmake -S "$here/consumer" -B "$work/$compiler" -DCMAKE_CXX_COMPILER=$compiler -DCMAKE_PREFIX_PATH="$prefix" \
    -DCONSUMER_COMPONENTS="$components" -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror" \
    -DCONSUMER_HEADERS="$work/headers/main.cc;$work/headers/forward.cc;$work/headers/backward.cc" \
    >"$work/configure.log" 2>&1 || { cat "$work/configure.log"; exit 1; }
  cmake --build "$work/$compiler" -j 2 >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
  for program in keep two_cryptos two_cryptos_reversed all_headers; do
    "$work/$compiler/$program"
  done
done

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name cairn-base.pc)")
export PKG_CONFIG_PATH
g++ -std=c++20 -o "$work/keep" "$here/consumer/keep.cc" $(pkg-config --cflags --libs cairn-storage cairn-payment)
"$work/keep"
