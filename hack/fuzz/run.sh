#!/usr/bin/env bash
# Runs every fuzzer of the module for the given time, one after the other, as go test takes one at a time. Inputs that fail are left in
# the package's testdata/fuzz, to be committed with the mend.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
fuzztime=$1

found=0
while IFS=: read -r file name; do
  found=$((found + 1))
  echo "--- $name in $(dirname "$file") for $fuzztime"
  go test -run='^$' -fuzz="^$name\$" -fuzztime="$fuzztime" "./$(dirname "$file")"
done < <(git ls-files -z --cached --others --exclude-standard '*_test.go' | xargs -0 grep -oE '^func Fuzz[A-Za-z0-9]*' | sed 's/func //' | sort)
((found > 0)) || { echo "there is no fuzzer" >&2; exit 1; }
