#!/usr/bin/env bash
# Real llama.cpp programs (llama-server, llama-cli, ...) in one folder, on Debian, without changing the system.
#
#   llamacpp.sh DEST      makes DEST/bin/llama-*; does nothing when DEST/bin/llama-server already runs
#
# They are Debian sid's; sid.sh says how they come to run here.
set -euo pipefail

[ $# = 1 ] || { echo "usage: llamacpp.sh DEST" >&2; exit 2; }
NAME=llamacpp DEST=$(realpath -m "$1")
# shellcheck source=sid.sh
. "$(dirname "$(realpath "$0")")/sid.sh"

works() { timeout 120 "$DEST/bin/llama-server" --version >/dev/null 2>&1; }

# Points programs and libraries at sid's libraries. The libraries too: their own RUNPATH would hide the program's.
bind() {
  local rpath file
  rpath=$LIBS:$LIBS/llama
  find "$LIBS" -type f \( -name 'libllama*.so*' -o -name 'libggml*.so*' -o -path "$LIBS/llama/*.so*" \) |
    while read -r file; do patch_elf --force-rpath --set-rpath "$rpath" "$file"; done
  rm -rf "${DEST:?}/bin"
  mkdir -p "$DEST/bin"
  ln -s "$LIBS"/ggml/backends*/*.so "$DEST/bin/" # ggml looks for its CPU backends beside the program
  for file in "$ROOT"/usr/bin/llama-*; do
    patch_elf --set-interpreter "$LOADER" --force-rpath --set-rpath "$rpath" --output "$DEST/bin/.$(basename "$file")" "$file"
    chmod 755 "$DEST/bin/.$(basename "$file")"
  done
  for file in "$DEST"/bin/.llama-*; do mv "$file" "$DEST/bin/$(basename "$file" | cut -c2-)"; done
}

begin
on_debian
fetch llama.cpp-tools
unpack
bind
works || fail "the unpacked llama-server does not run: $("$DEST/bin/llama-server" --version 2>&1 | tail -n 1)"
ready "$("$DEST/bin/llama-server" --version 2>&1 | head -n 1)"
