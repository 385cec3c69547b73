#!/bin/sh
# Builds .venv from the hashed lock and sees to PostgreSQL with PostGIS.
#
#   sh infra/setup.sh               what `make setup` runs
#   sh infra/setup.sh --without-postgis   for a container whose database is another container
#
# Running it again costs nothing: a stamp in .venv holds the hash of everything that decides what
# .venv contains. No index address is written anywhere: pip and uv use those they are set up with.
set -eu
cd "$(dirname "$0")/.."

VENV=.venv
STAMP=$VENV/.scarpwatch-setup
# torch's default build brings the CUDA libraries: 7 GB installed, and uv's cache while it unpacks.
NEEDED_GB=10

say() { printf 'setup: %s\n' "$*"; }
fail() {
    for line in "$@"; do printf 'setup: %s\n' "$line" >&2; done
    exit 1
}

# Hash of what decides the content of .venv; the place is part of it, since scripts hold full paths.
fingerprint() {
    {
        pwd -P
        cat requirements.lock pyproject.toml infra/setup.sh
    } | sha256sum | cut -d' ' -f1
}

is_usable() { # PYTHON: 3.12 or newer, and really runs (a pyenv shim may answer with an error)
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_usable "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.12 or newer that runs."
        echo "$PYTHON"
        return
    fi
    # 3.12 is what the tests run on, so it goes before newer ones wherever it is found.
    for candidate in python3.12 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python3.12 \
        "$(uv python find --no-python-downloads --no-project 3.12 2>/dev/null || true)" \
        python3.13 python3.14 python3 python; do
        [ -n "$candidate" ] || continue
        if is_usable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "Scarpwatch needs Python 3.12 or newer, and found none." \
        "Looked for python3.12, python3.13, python3.14, python3, pyenv's and uv's." \
        "Get one from your system's packages (python3.12 python3.12-venv, where it has them)," \
        "with 'pyenv install 3.12' or with 'uv python install 3.12', then run 'make setup' again." \
        "If it is in an unusual place: make setup PYTHON=/path/to/python3.12"
}

check_modules() { # PYTHON: Debian splits off venv; a home-built Python may lack others
    missing=$("$1" - <<'END'
import importlib
missing = []
for name in ("ensurepip", "venv", "ssl", "sqlite3", "ctypes", "lzma", "bz2", "zlib"):
    try:
        importlib.import_module(name)
    except ImportError:
        missing.append(name)
print(" ".join(missing))
END
    )
    [ -z "$missing" ] || fail "$1 lacks the standard modules: $missing." \
        "On Debian and Ubuntu install python3.12-venv (or python3-venv); a Python that was" \
        "compiled by hand needs the headers of OpenSSL, SQLite, libffi, xz and bzip2 first."
}

check_disk() { # FOLDER WHAT
    folder=$1
    while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
    free=$(df -Pk "$folder" | awk 'NR == 2 { print int($4 / 1048576) }')
    [ "$free" -ge "$NEEDED_GB" ] || fail \
        "$2 needs about $NEEDED_GB GB of disk, and only $free GB are free there (in $(cd "$folder" && pwd))." \
        "Free some, or move it: the cache goes where UV_CACHE_DIR says."
}

locked() { # NAME: the version that the lock names
    sed -n "s/^$1==\([^ ;]*\).*/\1/p" requirements.lock
}

has() { # NAME: the locked version is in .venv
    ls -d "$VENV"/lib/python3*/site-packages/"$1-$(locked "$1").dist-info" >/dev/null 2>&1
}

build_venv() {
    python=$(find_python)
    [ ! -e "$VENV" ] || [ -w "$VENV" ] || fail \
        "$VENV belongs to somebody else and is out of date." \
        "Let its owner run 'make setup', or remove it."
    check_modules "$python"
    if ! ls -d "$VENV"/lib/python3*/site-packages/torch >/dev/null 2>&1; then
        check_disk . "The environment"
        check_disk "${UV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/uv}" "uv's cache"
    fi
    if ! is_usable "$VENV/bin/python" || ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
        say "making $VENV with $python ($("$python" -V 2>&1))"
        "$python" -m venv --clear "$VENV"
    fi

    # uv comes out of the lock, by its hash, like everything else. So does setuptools, which builds
    # the packages that offer no wheel: an isolated build would fetch one that no hash pins.
    if ! has uv || ! has setuptools; then
        say "fetching uv $(locked uv)"
        awk '/^[^ #]/ { wanted = /^(uv|setuptools)==/ } wanted' requirements.lock \
            >"$VENV/bootstrap.lock"
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
            --only-binary :all: --no-deps --require-hashes -r "$VENV/bootstrap.lock" || fail \
            "uv could not be fetched. Is the network there? pip's own settings (pip.conf, PIP_*)" \
            "say where packages come from; 'pip config debug' shows them."
    fi

    if has torch; then
        say "bringing $VENV up to date with the lock"
    else
        say "installing what the lock names; this takes some minutes (about 3 GB to fetch)"
    fi
    # Without a terminal nobody wants the names of 270 packages.
    quiet=
    [ -t 2 ] || quiet=--quiet
    attempt=1
    until "$VENV/bin/python" infra/run_uv.py pip sync $quiet --python "$VENV/bin/python" \
        --require-hashes --no-build-isolation --compile-bytecode requirements.lock; do
        [ "$attempt" -lt 3 ] || fail "The packages could not be installed; uv says why above." \
            "No network: pip's settings (pip.conf, PIP_*) or uv's (UV_*) name the mirror to use." \
            "Disk full: about $NEEDED_GB GB are needed. What was fetched is kept for the next try."
        attempt=$((attempt + 1))
        say "trying again ($attempt of 3)"
        sleep 5
    done
    "$VENV/bin/python" infra/run_uv.py pip install --quiet --python "$VENV/bin/python" \
        --offline --no-deps --no-build-isolation --editable .
    fingerprint >"$STAMP"
}

if [ "${1:-}" != --without-postgis ]; then
    if ! sh infra/postgis.sh check; then
        if [ -n "${SCARPWATCH_DATABASE_URL:-}" ]; then
            say "no PostgreSQL with PostGIS here; SCARPWATCH_DATABASE_URL names another"
        else
            sh infra/postgis.sh
        fi
    fi
fi

if [ -r "$STAMP" ] && [ "$(cat "$STAMP")" = "$(fingerprint)" ] && is_usable "$VENV/bin/python"; then
    exit 0
fi
build_venv
say "done"
