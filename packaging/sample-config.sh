#!/bin/sh
# sample-config.sh DAEMON STATE OUT: the daemon's own commented defaults, with its state in the folder STATE.
set -eu
"$1" config print-default |
  sed -e "s|^data_dir = .*|data_dir = \"$2\"|" >"$3.partial"
grep -q "^data_dir = \"$2\"" "$3.partial"
"$1" --config "$3.partial" config check >/dev/null
mv "$3.partial" "$3"
