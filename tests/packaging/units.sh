#!/bin/sh
# units.sh FOLDER: every unit is understood by systemd, and exposed to at most 2.0 of 10.
set -eu
cd "$1"
for unit in *.service; do
  # What is unknown to systemd is a warning to it. The programs themselves need not be installed here.
  warnings=$(systemd-analyze verify --man=no "./$unit" 2>&1 | grep "$unit" | grep -v 'not executable\|No such file' || true)
  if [ -n "$warnings" ]; then
    echo "$warnings" >&2
    exit 1
  fi
  systemd-analyze security --no-pager --offline=true --threshold=20 "./$unit" | tail -n 1
  systemd-analyze security --no-pager --offline=true --threshold=20 "./$unit" >/dev/null
done
