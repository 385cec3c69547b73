#!/bin/sh
# Runs the checks that need data which may not be shipped, and keeps date and result.
#
#   sh infra/check_data.sh FOLDER
set -eu
cd "$(dirname "$0")/.."

if [ -z "${1:-}" ] || [ ! -d "$1" ]; then
    echo "check-data: name the folder with the data sets: make check-data DATA=../shared/data" >&2
    exit 2
fi
SCARPWATCH_DATA=$(cd "$1" && pwd)
export SCARPWATCH_DATA

output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
.venv/bin/python -m pytest -m data --color=no >"$output" 2>&1 || status=$?
cat "$output"

summary=$(sed -n '$s/^=*  *\(.*[^ =]\)  *=*$/\1/p' "$output")
commit=$(git rev-parse --short HEAD 2>/dev/null || echo 'no commit')
if [ ! -s bench/data.md ]; then
    cat >bench/data.md <<'END'
# Checks on data that is not shipped

Written by `make check-data DATA=folder`: one line per run, newest last.

| date (UTC) | commit | result |
| --- | --- | --- |
END
fi
printf '| %s | %s | %s |\n' "$(date -u +%Y-%m-%dT%H:%MZ)" "$commit" \
    "${summary:-no summary, exit $status}" >>bench/data.md
exit "$status"
