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

# Ends the script where `works` says that DEST is complete.
begin() {
  mkdir -p "$DEST" || fail "$DEST cannot be made"
  command -v flock >/dev/null || fail "there is no flock (package util-linux)"
  exec 9>"$DEST/.lock"
  flock -n 9 || { note "waiting for another run, which holds $DEST/.lock" && flock 9; }
  if works; then
    note "already there: $DEST/bin"
    exit 0
  fi
}

# Sees to it that there is what the rest needs.
on_debian() {
  local tool
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
# What an interrupted call has fetched stays, and apt goes on from there.
configure_apt() {
  mkdir -p "$APT/lists/partial" "$APT/cache/archives/partial"
  : >"$APT/status"
  echo "deb [signed-by=$KEYRING] $1 sid main" >"$APT/sources.list"
  {
    apt-config dump | grep '^Acquire::' | grep -vE '^Acquire::(IndexTargets|Languages)' || true
    cat <<EOF
Dir::Etc::main "/dev/null"; Dir::Etc::parts "/dev/null"; Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist "$APT/sources.list"; Dir::Etc::sourceparts "/dev/null";
Dir::State "$APT"; Dir::State::lists "$APT/lists"; Dir::State::status "$APT/status"; Dir::Cache "$APT/cache"; Dir::Log "$APT";
APT::Sandbox::User ""; APT::Install-Recommends "false"; Acquire::Languages "none"; Acquire::Retries "3";
Acquire::http::Timeout "20"; Acquire::https::Timeout "20"; Dpkg::Use-Pty "0";
EOF
  } >"$APT/apt.conf"
}

# No limit for the whole: a slow line takes as long as it takes. A mirror that falls silent is given up by apt itself.
sid_apt() { telling "$APT" env "APT_CONFIG=$APT/apt.conf" apt-get -q "$@" >>"$DEST/apt.log" 2>&1; }

# Runs a command, and says every quarter of a minute how large the folder $1 has grown: a silent step looks like a hung one.
telling() {
  local folder=$1 teller code=0
  shift
  # It holds neither the locks nor, once it is stopped, anybody's pipe.
  (while sleep 15 2>&- 3>&-; do note "$(du -sm "$folder" 2>/dev/null | cut -f 1) MB are here, and it goes on"; done) >/dev/null 2>&3 8>&- 9>&- &
  teller=$!
  "$@" || code=$?
  kill "$teller" 2>/dev/null || true
  wait "$teller" 2>/dev/null || true
  return "$code"
}
exec 3>&2

# Fetches packages, and patchelf, with all that they depend on.
fetch() {
  local mirror
  : >"$DEST/apt.log"
  for mirror in $(mirrors); do
    configure_apt "$mirror"
    note "reading sid's package list (11 MB)"
    sid_apt update || continue
    note "fetching $* and the libraries below (20 MB)"
    sid_apt install --download-only --yes "$@" patchelf && sid_apt autoclean && return
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
