#!/bin/sh
# Resolves pyproject.toml into requirements.lock: every file of every package with its sha256.
#
#   sh infra/lock.sh            keep the versions that still fit
#   sh infra/lock.sh --upgrade  take newer ones
#
# One lock for every platform and Python from 3.12 on (--universal); torch and torchvision come
# from this one resolve, so they fit each other.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/python infra/run_uv.py pip compile pyproject.toml --group dev --universal \
    --python .venv/bin/python --python-version 3.12 --generate-hashes \
    --no-header --no-emit-index-url --no-emit-find-links --quiet \
    --output-file requirements.lock "$@"
.venv/bin/python infra/check_repository.py
echo "requirements.lock is written; 'make setup' installs it"
