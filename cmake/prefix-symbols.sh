#!/bin/sh
# prefix-symbols.sh IN.a PREFIX OUT.a OUT.h NM OBJCOPY
# Renames every global symbol that IN.a defines to PREFIX_symbol, and writes the header that renames its uses.
set -eu
in=$1 prefix=$2 out=$3 header=$4 nm=$5 objcopy=$6
"$nm" -gP --defined-only "$in" 2>/dev/null |
  awk 'NF >= 2 && $2 ~ /^[A-Z]$/ { print $1 }' | LC_ALL=C sort -u >"$out.symbols"
awk -v p="$prefix" '{ print $1, p "_" $1 }' "$out.symbols" >"$out.renames"
"$objcopy" --redefine-syms="$out.renames" "$in" "$out"
{
  echo "#pragma once"
  awk -v p="$prefix" '{ print "#define", $1, p "_" $1 }' "$out.symbols"
} >"$header"
