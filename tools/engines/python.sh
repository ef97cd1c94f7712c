#!/usr/bin/env bash
# Python 3.14 in one folder, on Debian, without changing the system: for the tests of a release, which try every Python.
#
#   python.sh DEST        makes DEST/bin/python3.14; does nothing when it already runs and makes environments
#
# It is Debian sid's; sid.sh says how it comes to run here. Wheels for manylinux install into its environments as into any.
set -euo pipefail

[ $# = 1 ] || { echo "usage: python.sh DEST" >&2; exit 2; }
VERSION=3.14
NAME=python DEST=$(realpath -m "$1")
# shellcheck source=sid.sh
. "$(dirname "$(realpath "$0")")/sid.sh"

works() { timeout 120 "$DEST/bin/python$VERSION" -c 'import ctypes, ensurepip, lzma, sqlite3, ssl, venv, zlib' >/dev/null 2>&1; }

# The interpreter finds its library from its own place, so it stays there, and bin holds a link.
bind() {
  local program=$ROOT/usr/bin/python$VERSION lib=$ROOT/usr/lib/python$VERSION
  # Sections of a program at fixed addresses must keep their order, or it does not run.
  patch_elf --no-sort --set-interpreter "$LOADER" --force-rpath --set-rpath "$LIBS" --output "$program.bound" "$program"
  chmod 755 "$program.bound"
  mv "$program.bound" "$program"
  # Debian has the wheel of pip beside Python, at a place of the system's; and it wants no pip outside of environments.
  sed -i "s#/usr/share/python-wheels/#$ROOT/usr/share/python-wheels/#" "$lib"/_sysconfig*
  rm -f "$lib/EXTERNALLY-MANAGED"
  mkdir -p "$DEST/bin"
  ln -sfn "$program" "$DEST/bin/python$VERSION"
}

begin
on_debian
fetch "python$VERSION-venv"
unpack
bind
works || fail "the unpacked Python does not run: $("$DEST/bin/python$VERSION" -c 'import ssl, venv' 2>&1 | tail -n 1)"
ready "$("$DEST/bin/python$VERSION" --version)"
