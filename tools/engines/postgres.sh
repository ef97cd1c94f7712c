#!/usr/bin/env bash
# PostgreSQL's programs in one folder, on Debian, without changing the system.
#
#   postgres.sh DEST      makes DEST/bin/postgres, initdb, pg_ctl, psql; does nothing when they already run
#
# Where the system has a server, DEST/bin is a link to it; else they are Debian sid's, and sid.sh says how they come to run
# here. No server is started: that is for whoever wants one, on a port of its own. PostgreSQL refuses to run as root.
set -euo pipefail

[ $# = 1 ] || { echo "usage: postgres.sh DEST" >&2; exit 2; }
VERSION=18
NAME=postgres DEST=$(realpath -m "$1")
# shellcheck source=sid.sh
. "$(dirname "$(realpath "$0")")/sid.sh"

runs() { timeout 60 "$1/postgres" --version >/dev/null 2>&1 && timeout 60 "$1/initdb" --version >/dev/null 2>&1; }
works() { runs "$DEST/bin"; }

# The newest server that the system has; Debian keeps them out of PATH.
of_the_system() {
  local place
  for place in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) "$(dirname "$(realpath "$(command -v postgres || echo /)")")"; do
    if runs "$place"; then echo "$place"; return; fi
  done
}

# The programs find their files from their own place, so they stay there, and bin is a link.
bind() {
  local home=$ROOT/usr/lib/postgresql/$VERSION file
  for file in "$home"/bin/*; do
    # Only programs have an interpreter to set; scripts and links are left as they are.
    if [ ! -L "$file" ] && [ "$(head -c 4 "$file" | tr -d '\0')" = $'\177ELF' ]; then
      patch_elf --set-interpreter "$LOADER" --force-rpath --set-rpath "$home/lib:$LIBS" "$file"
    fi
  done
  rm -rf "${DEST:?}/bin"
  ln -sfn "$home/bin" "$DEST/bin"
}

begin
if place=$(of_the_system) && [ -n "$place" ]; then
  rm -rf "${DEST:?}/bin"
  ln -sfn "$place" "$DEST/bin"
else
  on_debian
  fetch "postgresql-$VERSION"
  unpack
  bind
  works || fail "the unpacked PostgreSQL does not run: $("$DEST/bin/postgres" --version 2>&1 | tail -n 1)"
fi
ready "$("$DEST/bin/postgres" --version)"
