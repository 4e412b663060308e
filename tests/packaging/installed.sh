#!/bin/sh
# installed.sh fresh|layer: run by debs.sh in a root of its own, with the packages in ~/debs. Installs them, runs both
# daemons with their units' command under their units' user on the packaged configuration, builds the consumer against
# the libraries, purges. In a fresh root apt brings what the packages depend on, and nothing else is there; a layer has
# this system's.
set -eu
kind=$1
cd "$HOME"
must() { "$@" || { echo "installed: failed: $*" >&2; exit 1; }; }
quietly() { "$@" >"$HOME/log" 2>&1 || { cat "$HOME/log"; echo "installed: failed: $*" >&2; exit 1; }; }
# Where packages write. Not ours: what apt brings has a Pitcairn island, and man-db keeps the pages it has rendered.
traces() { find /etc /opt /run /srv /usr /var -xdev \( -iname '*cairn*' -o -name '*chaind*' -o -name '*storaged*' \
  -o -name '*storectl*' \) ! -path '/var/log/*' ! -path '/usr/share/zoneinfo/*' ! -path '/var/cache/man/*' \
  2>/dev/null | LC_ALL=C sort; }
export DEBIAN_FRONTEND=noninteractive
before=$(traces)

echo "installing the programs"
if [ "$kind" = fresh ]; then
  quietly apt-get update -q
  quietly apt-get install -y -q --no-install-recommends "$HOME"/debs/cairn-programs*.deb
  must test ! -e /usr/bin/cc
else
  quietly dpkg -i "$HOME"/debs/cairn-programs*.deb
fi
for daemon in chaind storaged; do
  must test "$(stat -c %U:%a /var/lib/cairn/$daemon)" = "cairn-$daemon:700"
  must test -s /lib/systemd/system/$daemon.service
  must test -s /usr/share/man/man8/$daemon.8.gz
  must test -s /usr/share/zsh/vendor-completions/_$daemon
done
for text in man/man1/storectl.1.gz bash-completion/completions/storectl fish/vendor_completions.d/storectl.fish; do
  must test -s /usr/share/$text
done

# A line of the unit, with the program where systemd would look for it.
unit() { sed -n "s/^$2=//p" "/lib/systemd/system/$1.service"; }
as_unit() {  # DAEMON ARGUMENT...
  program=$1
  shift
  runuser -u "$(unit $program User)" -- sh -c 'cd "$1" && shift && exec "$@"' sh "$(unit $program WorkingDirectory)" \
    "$program" --config /etc/cairn/$program.toml "$@"
}
start() {  # DAEMON: exactly ExecStart
  user=$(unit $1 User)
  setpriv --reuid "$user" --regid "$user" --init-groups \
    sh -c "cd $(unit $1 WorkingDirectory) && exec $(unit $1 ExecStart)" >"$HOME/$1.log" 2>&1 &
  eval "$1_pid=$!"
  for _ in $(seq 150); do
    ! grep -qs "\.ready\"" "$HOME/$1.log" || return 0
    sleep 0.2
  done
  cat "$HOME/$1.log"
  echo "installed: $1 does not serve" >&2
  exit 1
}
stop() {  # DAEMON PID
  kill "$2"
  wait "$2" || { cat "$HOME/$1.log"; echo "installed: $1 did not stop well" >&2; exit 1; }
  must grep -q "daemon.stopping" "$HOME/$1.log"
}
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
# The ports of a test in a layer are the system's own: any other will do.
if [ "$kind" = layer ]; then
  sed -i -e 's|^listen = "127.0.0.1:4853"|listen = "127.0.0.1:24853"|' -e 's|4854|24854|' /etc/cairn/chaind.toml
  sed -i -e 's|:485\([678]\)|:2485\1|' -e 's|4853|24853|' /etc/cairn/storaged.toml
fi

echo "running the ledger and a provider as their units do"
account=$(as_unit storaged -o json init --plain-keys | field account)
must test -n "$account"
as_unit chaind -o json init --account "$account=5000" >"$HOME/network.json"
start chaind
sed -i -e "s|^pin = .*|pin = \"$(field tls_pin <"$HOME/network.json")\"|" -e 's|^size = .*|size = "1GB"|' \
  -e "s|^advertise = .*|advertise = \"127.0.0.1$(sed -n 's/^listen = "0.0.0.0\(:.*\)"/\1/p' /etc/cairn/storaged.toml)\"|" \
  /etc/cairn/storaged.toml
must as_unit storaged config check
must as_unit storaged register
start storaged
must as_unit storaged config explain storage.size
quietly as_unit storaged doctor
stop storaged "$storaged_pid"
stop chaind "$chaind_pid"
must runuser -u nobody -- env HOME=/tmp storectl version

echo "building against the libraries"
if [ "$kind" = fresh ]; then
  quietly apt-get install -y -q --no-install-recommends "$HOME"/debs/libcairn-dev*.deb g++ make cmake pkg-config clang \
    man-db
  must sh -c "man storectl | grep -q 'storectl bucket create'"
  must sh "$HOME/consumer_build.sh" /usr "base;storage;payment;chain;client"
else
  quietly dpkg -i "$HOME"/debs/libcairn-dev*.deb
  quietly g++ -std=c++20 -o "$HOME/keep" "$HOME/consumer/keep.cc" $(pkg-config --cflags --libs cairn-storage cairn-payment)
  must "$HOME/keep"
fi

echo "purging"
quietly dpkg --purge cairn-programs libcairn-dev
must test "$(traces)" = "$before"
echo "installed, run as its units do, built against, purged"
