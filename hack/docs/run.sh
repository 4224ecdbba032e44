#!/usr/bin/env bash
# Runs every sh block of the given Markdown files against the quickstart, each file as one script, and fails as soon as a command does. A
# comment <!-- expect: TEXT --> in a file says what its commands print, in this order. So what the documentation shows is known to work
# as written. Blocks that are to be read and not run here, as they need a cluster of one's own, are marked bash in place of sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

for page in "$@"; do
  script=$(awk '/^```sh$/ {inside = 1; next} /^```$/ {inside = 0; next} inside' "$page")
  if [[ -z $script ]]; then
    echo "$page has no sh block to run" >&2
    exit 1
  fi
  echo "--- running the commands of $page"
  printed=$(bash -euo pipefail -c "$script" 2>&1 | tee >(cat >&2))
  while IFS= read -r want; do
    if [[ $printed != *"$want"* ]]; then
      echo "the commands of $page did not print, after what they had to print before: $want" >&2
      exit 1
    fi
    printed=${printed#*"$want"}
  done < <(sed -n 's/^<!-- expect: \(.*\) -->$/\1/p' "$page")
done
