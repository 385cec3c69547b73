#!/bin/sh
# Runs the checks that need data which may not be shipped, and keeps date, result and figures.
#
#   sh infra/check_data.sh FOLDER [WORDS]      WORDS: only tests whose names hold them (pytest -k)
set -eu
cd "$(dirname "$0")/.."

if [ -z "${1:-}" ] || [ ! -d "$1" ]; then
    echo "check-data: name the folder with the data sets: make check-data DATA=../shared/data" >&2
    exit 2
fi
SCARPWATCH_DATA=$(cd "$1" && pwd)
output=$(mktemp)
SCARPWATCH_FIGURES=$(mktemp)
export SCARPWATCH_DATA SCARPWATCH_FIGURES
trap 'rm -f "$output" "$SCARPWATCH_FIGURES"' EXIT

.venv/bin/python infra/stac_schemas.py build/schemas
status=0
only=${2:-}
.venv/bin/python -m pytest -m data --color=no ${only:+-k "$only"} >"$output" 2>&1 || status=$?
cat "$output"

summary=$(sed -n '$s/^=*  *\(.*[^ =]\)  *=*$/\1/p' "$output")
# A plus: the tree differed from that commit.
commit=$(git describe --always --dirty=+ --exclude='*' 2>/dev/null || echo 'no commit')
.venv/bin/python infra/data_report.py \
    "$SCARPWATCH_FIGURES" "${only:+$only alone: }${summary:-no summary, exit $status}" "$commit"
exit "$status"
