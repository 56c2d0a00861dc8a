#!/bin/sh
# All tests, as `make test` runs them. What cannot run here is said on a line of its own that begins with SKIPPED, and why.
set -u
GO=${GO:-go}
failed=0
mkdir -p build

step() { printf '\n== %s\n' "$1"; }

# gotest NAME ARGS… runs go test, prints a line for each package and each skipped test, and everything about failures.
gotest() {
	log=build/test-$1.log
	shift
	"$GO" test -v "$@" >"$log" 2>&1
	code=$?
	grep -E '^(ok|FAIL|panic:)' "$log"
	awk '/^ *=== (RUN|NAME|CONT)/ { test = $3 }
		/^ +[A-Za-z0-9_]+\.go:[0-9]+: / { line = $0; sub(/^ *[^ ]* (SKIPPED[^:]*: )?/, "", line); why[test] = line }
		/--- SKIP: / { print "SKIPPED: " $3 ": " why[$3] }' "$log"
	if [ "$code" -ne 0 ]; then
		failed=1
		grep -vE '^ *(=== (RUN|PAUSE|CONT|NAME)|--- PASS|PASS$)' "$log" | grep -vE '^ok' | tail -n 300
	fi
}

step "formatting and vet"
unformatted=$(gofmt -l $(git ls-files '*.go'))
if [ -n "$unformatted" ]; then echo "gofmt would change:"; echo "$unformatted"; failed=1; fi
"$GO" vet ./... || failed=1

step "tests"
gotest all ./...

step "race detector"
if command -v "${CC:-cc}" >/dev/null 2>&1; then
	echo "-short leaves out what takes long and has run above"
	CGO_ENABLED=1 gotest race -race -short ./...
else
	echo "SKIPPED: the race detector: it needs a C compiler"
fi

step "browser"
chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
if [ -z "${NODE:-}" ]; then
	echo "SKIPPED: the browser tests: they need Node 20.19 or newer"
elif [ -z "$chromium" ]; then
	echo "SKIPPED: the browser tests: they need Chromium (set CHROMIUM to its path)"
else
	(cd web && npm test --silent && CHROMIUM="$chromium" MILLRACE_BIN="$PWD/../bin/millrace" npm run --silent e2e) || failed=1
fi

if [ "$failed" -ne 0 ]; then echo; echo "FAILED"; exit 1; fi
echo; echo "ok"
