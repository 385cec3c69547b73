#!/bin/sh
# Sees to PostgreSQL with PostGIS for the embedded cluster.
#
#   sh infra/postgis.sh          install what is missing, or say what to type
#   sh infra/postgis.sh check    exit 0 when both are there
#
# Only the programs are wanted. Debian's packages would also make and start a cluster of the
# system; a machine that had no server before gets none from us.
set -eu

say() { printf 'setup: %s\n' "$*"; }

# Print the installed major versions, newest first.
installed_versions() {
    for bin in /usr/lib/postgresql/*/bin; do
        if [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ]; then
            version=${bin#/usr/lib/postgresql/}
            echo "${version%/bin}"
        fi
    done | sort -rn
}

# Print the major version of a server that brings PostGIS along, newest first.
server_with_postgis() {
    for version in $(installed_versions); do
        if [ -e "/usr/share/postgresql/$version/extension/postgis.control" ]; then
            echo "$version"
            return 0
        fi
    done
    # Built by hand, or another system's layout.
    if command -v pg_config >/dev/null 2>&1 && [ -x "$(pg_config --bindir)/initdb" ] &&
        [ -e "$(pg_config --sharedir)/extension/postgis.control" ]; then
        pg_config --version | sed 's/[^0-9]*\([0-9]*\).*/\1/'
        return 0
    fi
    return 1
}

# Print the version that this distribution's own packages bring.
distribution_version() {
    version=$(apt-cache depends postgresql 2>/dev/null |
        sed -n 's/.*Depends: postgresql-\([0-9][0-9]*\)$/\1/p' | head -n 1)
    if [ -z "$version" ] && [ -r /etc/os-release ]; then
        # apt has no lists yet (a fresh container): the releases we know.
        # shellcheck disable=SC1091
        version=$(. /etc/os-release && case "${ID:-}-${VERSION_ID:-}" in
            debian-12) echo 15 ;;
            debian-13) echo 17 ;;
            ubuntu-22.04) echo 14 ;;
            ubuntu-24.04) echo 16 ;;
        esac)
    fi
    echo "$version"
}

packages() {
    version=$(installed_versions | head -n 1)
    if [ -n "$version" ]; then
        echo "postgresql-$version-postgis-3"
        return
    fi
    version=$(distribution_version)
    if [ -n "$version" ]; then
        echo "postgresql-$version postgresql-$version-postgis-3"
    else
        echo "postgresql postgresql-postgis"
    fi
}

# Run one command as root: directly, or through sudo where that asks for no password.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_be_root() {
    [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; }
}

install_packages() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 update ||
        say "apt-get update failed; trying with the lists that are here"
    # The lists are here now and may name another version than the table did.
    wanted=$(packages)
    drop_in=/etc/postgresql-common/createcluster.d/scarpwatch.conf
    alone=no
    if [ -z "$(installed_versions)" ]; then
        alone=yes
        as_root mkdir -p "${drop_in%/*}"
        echo 'create_main_cluster = false' | as_root tee "$drop_in" >/dev/null
    fi
    status=0
    log=$(mktemp)
    # shellcheck disable=SC2086  # a list of names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install $wanted \
        </dev/null >"$log" 2>&1 || status=$?
    [ "$status" = 0 ] || cat "$log" >&2
    rm -f "$log"
    # The administrator's later servers are none of our business.
    [ "$alone" = no ] || as_root rm -f "$drop_in"
    return "$status"
}

if version=$(server_with_postgis); then
    [ "${1:-}" = check ] || say "PostgreSQL $version with PostGIS is here"
    exit 0
fi
[ "${1:-}" != check ] || exit 1

if ! command -v apt-get >/dev/null 2>&1; then
    say "PostgreSQL (14 or newer) with PostGIS 3 is missing, and this is no Debian system." >&2
    say "Install both with your system's package manager, then run 'make setup' again;" >&2
    say "or set SCARPWATCH_DATABASE_URL to a PostGIS database that runs elsewhere." >&2
    exit 1
fi

if may_be_root; then
    say "installing $(packages)"
    if install_packages && version=$(server_with_postgis); then
        say "PostgreSQL $version with PostGIS is here"
        exit 0
    fi
    say "installing the packages failed; the lines above say why." >&2
fi
say "PostgreSQL with PostGIS is missing. Type this, then run 'make setup' again:" >&2
printf '\n    sudo apt-get update && sudo apt-get install --no-install-recommends %s\n\n' \
    "$(packages)" >&2
say "(Debian also starts a server of its own then, which Scarpwatch leaves alone;" >&2
say "'sudo sh infra/postgis.sh' installs the same without one.) Or set" >&2
say "SCARPWATCH_DATABASE_URL to a PostGIS database that runs elsewhere." >&2
exit 1
