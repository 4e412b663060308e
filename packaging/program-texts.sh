#!/bin/sh
# program-texts.sh PROGRAM SECTION OUT: what a program says about itself, where an installation wants it below OUT:
# the manual page of that section, and completions for bash, zsh and fish.
set -eu
program=$1 section=$2 out=$3
name=$(basename "$program")
put() {
  mkdir -p "$out/$(dirname "$1")"
  cat >"$out/$1.partial"
  [ -s "$out/$1.partial" ]
  mv "$out/$1.partial" "$out/$1"
}
"$program" man | gzip -9n | put "man/man$section/$name.$section.gz"
"$program" completion bash | put "bash-completion/completions/$name"
"$program" completion zsh | put "zsh/vendor-completions/_$name"
"$program" completion fish | put "fish/vendor_completions.d/$name.fish"
