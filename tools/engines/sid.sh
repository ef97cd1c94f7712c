# Packages of Debian sid in a folder, for the scripts beside this one, which source it.
#
# sid has what they want prebuilt, but for a newer libc than a stable release has. So a private apt, which sees nothing but
# sid and believes that nothing is installed, fetches packages with everything below them, libc and loader included.
# patchelf then binds the programs to those libraries. patchelf comes from sid too and runs under sid's loader: nothing
# is needed but apt and dpkg-deb. Paths are absolute afterwards: a moved DEST stops running and is made anew by the next call.
#
# The caller sets NAME (how it signs what it says) and DEST; the packages are unpacked into ROOT.
# shellcheck shell=bash

ROOT=$DEST/root APT=$DEST/apt
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

note() { printf '%s: %s\n' "$NAME" "$*" >&2; }
fail() { note "cannot: $*"; exit 1; }

# Ends the script where `works` says that DEST is complete; else sees to it that there is what is needed.
begin() {
  local tool
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
  [ -r "$KEYRING" ] || fail "there is no $KEYRING (package debian-archive-keyring)"
}

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

# Fetches packages, and patchelf, with all that they depend on.
fetch() {
  local mirror
  : >"$DEST/apt.log"
  for mirror in $(mirrors); do
    configure_apt "$mirror"
    note "reading sid's package list (11 MB)"
    sid_apt 120 update || continue
    note "fetching $* and the libraries below (20 MB)"
    sid_apt 240 install --download-only --yes "$@" patchelf && return
  done
  fail "no mirror of this machine's apt sources gave Debian sid's $* (see $DEST/apt.log)"
}

unpack() {
  local deb
  note "unpacking"
  rm -rf "$ROOT"
  mkdir -p "$ROOT"
  for deb in "$APT"/cache/archives/*.deb; do
    # licences (usr/share/doc) stay
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$ROOT" --exclude='./usr/share/locale' --exclude='./usr/share/man' --exclude='./usr/share/perl5'
    basename "$deb" .deb
  done >"$DEST/packages.txt"
  rm -rf "$APT"
  LIBS=$(dirname "$(find "$ROOT/usr/lib" -name libc.so.6 -print -quit)")
  LOADER=$(find "$LIBS" -name 'ld-linux*.so.*' -print -quit)
}

patch_elf() { "$LOADER" --library-path "$LIBS" "$ROOT/usr/bin/patchelf" "$@"; }

ready() { note "ready: $1, in $DEST/bin ($(du -sh "$DEST" | cut -f 1))"; }
