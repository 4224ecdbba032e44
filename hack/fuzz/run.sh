#!/usr/bin/env bash
# Runs every fuzzer of the module for the given time, one after the other, as go test takes one at a time. Inputs that fail are left in
# the package's testdata/fuzz, to be committed with the mend.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
fuzztime=$1
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# fuzz runs the fuzzer $name of the folder $dir, and keeps what it prints.
fuzz() {
  go test -run='^$' -fuzz="^$name\$" -fuzztime="$fuzztime" "./$dir" 2>&1 | tee "$log"
}

# inputs prints what there is of the fuzzer's corpus.
inputs() {
  find "$dir/testdata/fuzz/$name" -type f 2>/dev/null | sort || true
}

# ended reports whether the fuzzer failed by the end of its own time and nothing else: go test may take that for a failure
# (golang/go#75804). Whatever has found something says more, or leaves an input.
ended() {
  local said
  said=$(grep -vE '^(fuzz: elapsed: .*|warning: starting with empty corpus|FAIL.*|exit status 1|)$' "$log")
  [[ $said =~ ^"--- FAIL: $name ("[0-9.]+s\)$'\n'"    context deadline exceeded"$ && $(inputs) == "$before" ]]
}

found=0
while IFS=: read -r file name; do
  found=$((found + 1))
  dir=$(dirname "$file")
  before=$(inputs)
  echo "--- $name in $dir for $fuzztime"
  fuzz && continue
  ended || exit 1
  echo "--- $name in $dir once more, as it ended with its time"
  fuzz
done < <(git ls-files -z --cached --others --exclude-standard '*_test.go' | xargs -0 grep -HoE '^func Fuzz[A-Za-z0-9]*' | sed 's/func //' | sort)
((found > 0)) || { echo "there is no fuzzer" >&2; exit 1; }
