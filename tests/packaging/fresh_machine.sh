#!/bin/sh
# What README.md promises to someone with only the operating system and git: a fresh Debian 12 root with git and nothing
# else gets a clone of the committed tree, and README.md's two commands run there as printed. The packages that come out
# are then installed, used and purged in a second fresh root, which has never seen a compiler or the sources.
#
#   tests/packaging/fresh_machine.sh [CTEST ARGUMENT...]   which tests the second command runs (default: a quick choice)
#
# Needs what fresh_root.sh needs, 6 GB of disk below TMPDIR, and the ports of a dev network; takes ten minutes or more.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
[ $# -gt 0 ] || set -- -R '^(layers|requirements|storage_test|packaging_.*|e2e_tour|e2e_wrong_input)$'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
step() { printf '\n== %s\n' "$*"; }

step "A fresh root with git"
sh "$here/fresh_root.sh" make "$work/machine" git
git -C "$repository" bundle create --quiet "$work/machine/srv/cairn.bundle" HEAD

step "README.md's commands in it"
sh "$here/fresh_root.sh" enter "$work/machine" "$@" <<'INSIDE'
set -eu
cd /root
git clone --quiet /srv/cairn.bundle cairn
cd cairn
commands=$(sed -n '/^## Two commands/,/^## A tour/p' README.md | sed -n 's|^\(\./[a-z/]*\).*|\1|p')
[ "$commands" = "$(printf './examples/quickstart\n./tests/run')" ] || {
  echo "fresh_machine: README.md prints other commands than these: $commands" >&2
  exit 1
}
start=$(date +%s)
./examples/quickstart
echo "quickstart took $(($(date +%s) - start)) s, with the installation of packages and the build"
start=$(date +%s)
./tests/run "$@"
echo "tests/run $* took $(($(date +%s) - start)) s, with the rest of the build"
cpack -G DEB --config build/release/CPackConfig.cmake -B /srv/debs >/srv/cpack.log 2>&1 || {
  cat /srv/cpack.log >&2
  exit 1
}
INSIDE

step "The packages in a second fresh root"
sh "$here/debs.sh" --fresh "$work/machine/srv/debs"
