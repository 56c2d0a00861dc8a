#!/bin/sh
# Every fuzz target of the tree, one after the other, FUZZTIME each, as `make fuzz` runs them. The first that finds something ends it;
# Go leaves the input under testdata/fuzz beside the test, where it belongs in a commit with the repair.
#   ONLY=pattern  runs the targets whose "folder Name" matches, e.g. ONLY=event
set -u
GO=${GO:-go}
FUZZTIME=${FUZZTIME:-20s}
ONLY=${ONLY:-.}

targets=$(git ls-files --cached --others --exclude-standard '*_test.go' | xargs grep -H '^func Fuzz[A-Za-z0-9_]*(' |
	sed -E 's|^([^:]*)/[^/:]*:func (Fuzz[A-Za-z0-9_]*)\(.*|\1 \2|' | sort -u | grep -E -- "$ONLY")
if [ -z "$targets" ]; then echo "fuzz: no target matches '$ONLY'"; exit 1; fi
total=$(printf '%s\n' "$targets" | wc -l | tr -d ' ')

done=0
# Not a pipe: a loop in a pipe could not end the script.
while read -r folder name; do
	done=$((done + 1))
	printf '\n== %s/%s  %s %s for %s\n' "$done" "$total" "$folder" "$name" "$FUZZTIME"
	if ! "$GO" test "./$folder" -run '^$' -fuzz="^$name\$" -fuzztime="$FUZZTIME" </dev/null; then
		printf '\nFAILED: %s in %s\n' "$name" "$folder"
		exit 1
	fi
done <<TARGETS
$targets
TARGETS
printf '\nok: %s targets\n' "$total"
