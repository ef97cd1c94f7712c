#!/usr/bin/env bash
# Real llama.cpp programs (llama-server, llama-cli, ...) in one folder, on Debian, without changing the system.
#
#   llamacpp.sh DEST      makes DEST/bin/llama-*; does nothing when DEST/bin/llama-server already runs
#
# Debian sid ships llama.cpp prebuilt, but for a newer libc than a stable release has. So a private apt, which sees nothing
# but sid and believes that nothing is installed, fetches the programs with everything below them, libc and loader included.
# patchelf then binds the programs to those libraries. patchelf comes from sid too and runs under sid's loader: nothing
# is needed but apt and dpkg-deb. Paths are absolute afterwards: a moved DEST stops running and is made anew by the next call.
set -euo pipefail

note() { printf 'llamacpp: %s\n' "$*" >&2; }
fail() { note "cannot: $*"; exit 1; }

[ $# = 1 ] || { echo "usage: llamacpp.sh DEST" >&2; exit 2; }
DEST=$(realpath -m "$1")
ROOT=$DEST/root APT=$DEST/apt

works() { timeout 20 "$DEST/bin/llama-server" --version >/dev/null 2>&1; }

# The archives of this system's own release, one a line; security's and third parties' have other release names. Asked this
# way, apt answers from its settings alone: package lists may be missing, as they are on a bare machine.
mirrors() {
  local release
  # shellcheck source=/dev/null
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-sid}")
  apt-get update --print-uris 2>/dev/null |
    sed -nE "s#^'([^']+/)dists/($release|stable|testing|unstable|sid)/InRelease'.*#\\1#p" | sort -u
}

# Writes the private apt's settings for mirror $1. How to reach a mirror (Acquire::…) is the system's affair; hooks are not wanted.
configure_apt() {
  rm -rf "$APT"
  mkdir -p "$APT/lists/partial" "$APT/cache/archives/partial"
  : >"$APT/status"
  echo "deb [signed-by=$KEYRING] $1 sid main" >"$APT/sources.list"
  {
    apt-config dump | grep '^Acquire::' | grep -vE '^Acquire::(IndexTargets|Languages)' || true
    cat <<EOF
Dir::Etc::main "/dev/null"; Dir::Etc::parts "/dev/null"; Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist "$APT/sources.list"; Dir::Etc::sourceparts "/dev/null";
Dir::State "$APT"; Dir::State::lists "$APT/lists"; Dir::State::status "$APT/status"; Dir::Cache "$APT/cache"; Dir::Log "$APT";
APT::Sandbox::User ""; APT::Install-Recommends "false"; Acquire::Languages "none"; Acquire::Retries "2";
Acquire::http::Timeout "20"; Acquire::https::Timeout "20"; Dpkg::Use-Pty "0";
EOF
  } >"$APT/apt.conf"
}

sid_apt() { APT_CONFIG=$APT/apt.conf timeout -k 10 "$1" apt-get -q "${@:2}" >>"$DEST/apt.log" 2>&1; }

fetch() {
  local mirror
  : >"$DEST/apt.log"
  for mirror in $(mirrors); do
    configure_apt "$mirror"
    note "reading sid's package list (11 MB)"
    sid_apt 120 update || continue
    note "fetching llama.cpp and the libraries below it (20 MB)"
    sid_apt 240 install --download-only --yes llama.cpp-tools patchelf && return
  done
  fail "no mirror of this machine's apt sources gave Debian sid's llama.cpp-tools (see $DEST/apt.log)"
}

unpack() {
  local deb
  rm -rf "$ROOT"
  mkdir -p "$ROOT"
  for deb in "$APT"/cache/archives/*.deb; do
    # licences (usr/share/doc) stay
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$ROOT" --exclude='./usr/share/locale' --exclude='./usr/share/man' --exclude='./usr/share/perl5'
    basename "$deb" .deb
  done >"$DEST/packages.txt"
  rm -rf "$APT"
}

# Points programs and libraries at sid's libraries. The libraries too: their own RUNPATH would hide the program's.
bind() {
  local libs loader rpath patchelf file
  libs=$(dirname "$(find "$ROOT/usr/lib" -name libc.so.6 -print -quit)")
  loader=$(find "$libs" -name 'ld-linux*.so.*' -print -quit)
  rpath=$libs:$libs/llama
  patchelf=("$loader" --library-path "$libs" "$ROOT/usr/bin/patchelf")
  find "$libs" -type f \( -name 'libllama*.so*' -o -name 'libggml*.so*' -o -path "$libs/llama/*.so*" \) |
    while read -r file; do "${patchelf[@]}" --force-rpath --set-rpath "$rpath" "$file"; done
  rm -rf "${DEST:?}/bin"
  mkdir -p "$DEST/bin"
  ln -s "$libs"/ggml/backends*/*.so "$DEST/bin/" # ggml looks for its CPU backends beside the program
  for file in "$ROOT"/usr/bin/llama-*; do
    "${patchelf[@]}" --set-interpreter "$loader" --force-rpath --set-rpath "$rpath" --output "$DEST/bin/.$(basename "$file")" "$file"
    chmod 755 "$DEST/bin/.$(basename "$file")"
  done
  for file in "$DEST"/bin/.llama-*; do mv "$file" "$DEST/bin/$(basename "$file" | cut -c2-)"; done
}

mkdir -p "$DEST" || fail "$DEST cannot be made"
command -v flock >/dev/null || fail "there is no flock (package util-linux)"
exec 9>"$DEST/.lock"
flock -w 600 9 || fail "another run has held $DEST/.lock for ten minutes"
if works; then
  note "already there: $DEST/bin"
  exit 0
fi

# shellcheck source=/dev/null
[ "$(. /etc/os-release 2>/dev/null && echo "${ID:-}")" = debian ] || fail "this is not Debian (its sid is where the programs come from)"
for tool in apt-get apt-config dpkg-deb timeout; do command -v "$tool" >/dev/null || fail "there is no $tool"; done
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$KEYRING" ] || fail "there is no $KEYRING (package debian-archive-keyring)"

fetch
note "unpacking"
unpack
bind
works || fail "the unpacked llama-server does not run: $("$DEST/bin/llama-server" --version 2>&1 | tail -n 1)"
note "ready: $("$DEST/bin/llama-server" --version 2>&1 | head -n 1), in $DEST/bin ($(du -sh "$DEST" | cut -f 1))"
