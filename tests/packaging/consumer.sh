#!/bin/sh
# consumer.sh BUILD_TREE SOURCE_TREE COMPONENTS
# Installs the libraries into an empty prefix, moves it (nothing may point at where it was), and builds and runs the
# consumer against it (consumer_build.sh).
set -eu
build=$1 source=$2 components=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/first" --component libcairn-dev >"$work/install.log"
mv "$work/first" "$work/prefix"
if grep -rlF -e "$build" -e "$source" -e "$work/first" "$work/prefix" --include='*.cmake' --include='*.pc' \
  --include='*.h'; then
  echo "consumer: the files above name the build, the source tree or the first prefix" >&2
  exit 1
fi
sh "$here/consumer_build.sh" "$work/prefix" "$components"
