#!/bin/sh
# Sees to Chromium and its driver, which only the tests of the page need (`make test`).
#
#   sh infra/browser.sh          install what is missing, or say what to type
#   sh infra/browser.sh check    exit 0 when both are there
#
# Never fails otherwise: without a browser those tests are skipped, and say so.
set -eu

say() { printf 'setup: %s\n' "$*"; }

here() {
    command -v chromedriver >/dev/null 2>&1 &&
        { command -v chromium || command -v chromium-browser || command -v google-chrome; } \
            >/dev/null 2>&1
}

# Run one command as root: directly, or through sudo where that asks for no password.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_be_root() {
    [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; }
}

here && exit 0
[ "${1:-}" != check ] || exit 1

packages='chromium chromium-driver fonts-dejavu-core'
if command -v apt-get >/dev/null 2>&1 && may_be_root; then
    say "installing $packages"
    log=$(mktemp)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 update \
        >"$log" 2>&1 || say "apt-get update failed; trying with the lists that are here"
    # shellcheck disable=SC2086  # a list of names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install $packages \
        </dev/null >"$log" 2>&1 || cat "$log" >&2
    rm -f "$log"
    here && exit 0
fi
say "no Chromium with its driver: the tests of the page are skipped. To run them too:" >&2
say "    sudo apt-get install --no-install-recommends $packages" >&2
