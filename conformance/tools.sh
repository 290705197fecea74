#!/bin/sh
# Installs what the conformance suites stand on, once: a Python venv, Node modules, the test-suite that
# python-caldav ships, PostgreSQL's server. Prints the folder. A missing part fails with a sentence.
# usage: conformance/tools.sh [browser|thunderbird|litmus]      KALENDS_TOOLS=DIR (default .cache/conformance)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tools=${KALENDS_TOOLS:-$here/../.cache/conformance}
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)

fail() { echo "tools: $*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
# Debian keeps the server's programs out of PATH.
have_initdb() { have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }

# install PACKAGE... : through apt, as root or through sudo, with the package lists fetched once a run.
apt_ready=
install() {
    have apt-get || fail "$* missing, and there is no apt-get to install it"
    sudo=
    if [ "$(id -u)" != 0 ]; then
        have sudo || fail "$* missing: run 'apt-get install $*' as root"
        sudo="sudo -n"
    fi
    if [ -z "$apt_ready" ]; then
        $sudo apt-get -qq update >&2 || fail "apt-get update failed"
        apt_ready=1
    fi
    DEBIAN_FRONTEND=noninteractive $sudo apt-get -qq -y install --no-install-recommends "$@" >&2 \
        || fail "apt-get could not install $*"
}

# One at a time: parts of several runs may ask for the tools at once.
have flock || install util-linux
exec 9>"$tools/lock"
flock 9

have cargo || fail "cargo is missing: install Rust 1.95 or newer (rustup.rs)"
have cc || install gcc libc6-dev
have python3 || install python3 python3-venv
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "python3 is older than 3.11"
python3 -c 'import ensurepip' 2>/dev/null || install python3-venv
have node && have npm || install nodejs npm
node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' || fail "node is older than 18"
have openssl || install openssl
have_initdb || install postgresql
have_initdb || fail "initdb is missing although postgresql is installed"
if [ "${1:-}" = browser ]; then
    have chromium || have google-chrome || install chromium
    have chromium || have google-chrome || fail "chromium is missing although it was installed"
fi
if [ "${1:-}" = thunderbird ]; then
    have thunderbird || install thunderbird
    have Xvfb || install xvfb
    have thunderbird && have Xvfb || fail "thunderbird or Xvfb is missing although it was installed"
fi
if [ "${1:-}" = litmus ]; then
    [ -x /usr/libexec/litmus/basic ] || install litmus
    [ -x /usr/libexec/litmus/basic ] || fail "litmus is missing although it was installed"
fi

# A part is whole when its stamp holds the hash of what it was made from.
stamped() { [ -f "$tools/$1.stamp" ] && [ "$(cat "$tools/$1.stamp")" = "$2" ]; }
hash_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

# venv NAME REQUIREMENTS
venv() {
    want=$(hash_of "$here/$2")
    stamped "$1" "$want" && return
    rm -rf "${tools:?}/$1"
    python3 -m venv "$tools/$1" || fail "python3 cannot make a venv"
    "$tools/$1/bin/pip" -q install -r "$here/$2" >&2 || fail "pip could not install conformance/$2"
    echo "$want" >"$tools/$1.stamp"
}
venv venv requirements.txt
venv schema requirements-schema.txt
venv google requirements-google.txt
venv metrics requirements-metrics.txt
venv mail requirements-mail.txt

want=$(hash_of "$here/sources.txt")
if ! stamped sources "$want"; then
    rm -rf "$tools/sources"
    mkdir -p "$tools/sources"
    "$tools/venv/bin/pip" -q download --no-deps --no-binary :all: --require-hashes -r "$here/sources.txt" \
        -d "$tools/sources" >&2 || fail "pip could not fetch conformance/sources.txt"
    for archive in "$tools"/sources/*.tar.gz; do
        tar -xzf "$archive" -C "$tools/sources" || fail "cannot unpack $archive"
        rm "$archive"
    done
    echo "$want" >"$tools/sources.stamp"
fi

# modules NAME FOLDER : what the lock file in that folder names
modules() {
    want=$(hash_of "$here/$2/package-lock.json")
    stamped "$1" "$want" && return
    rm -rf "${tools:?}/$1"
    mkdir -p "$tools/$1"
    cp "$here/$2/package.json" "$here/$2/package-lock.json" "$here/$2/.npmrc" "$tools/$1/"
    (cd "$tools/$1" && npm ci --silent >&2) || fail "npm could not install conformance/$2/package-lock.json"
    echo "$want" >"$tools/$1.stamp"
}
modules node .
modules microsoft microsoft
modules davclients davclients

echo "$tools"
