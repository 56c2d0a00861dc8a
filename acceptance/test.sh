#!/bin/sh
# All tests, as `make test` runs them. What cannot run here is said on a line of its own that begins with SKIPPED, and why.
set -u
GO=${GO:-go}
failed=0
mkdir -p build
: >build/said.log

step() { printf '\n== %s\n' "$1"; }

# gotest NAME FLAGS runs go test, prints a line for each package and each skipped test, and everything about failures.
gotest() {
	name=$1
	log=build/test-$name.log
	flags=$2
	"$GO" test -v -timeout 20m $flags ./... >"$log" 2>&1
	code=$?
	# What failed is said first: a long report is often read by its beginning.
	if [ "$code" -ne 0 ]; then
		grep -E '^ *--- FAIL|^FAIL|^panic:|^WARNING: DATA RACE' "$log" | head -n 40
		grep -vE '^ *(=== (RUN|PAUSE|CONT|NAME)|--- PASS|PASS$)' "$log" | grep -vE '^(ok|\?)' | tail -n 300 >build/failed.log
		cat build/failed.log
		grep -E -B12 '^ *--- FAIL' build/failed.log | head -n 60 >>build/said.log
		broken=$(awk '/^FAIL\t/ { print $2 }' "$log")
		# Where nobody is there to look, what failed beside all the others runs once more, alone: so that it is
		# known whether it is the code or the busy machine. It is said either way, again at the end. A data race
		# needs no second look.
		if [ -n "${CI:-}" ] && [ -n "$broken" ] && ! grep -q 'DATA RACE' "$log" && "$GO" test -count=1 -timeout 20m -p 1 $flags $broken; then
			echo "FLAKY: failed beside the others, passed alone: $broken" >>build/said.log
		else
			failed=1
			echo "FAILED ($name): $broken" >>build/said.log
		fi
	fi
	grep -E '^ok' "$log"
	awk '/^ *=== (RUN|NAME|CONT)/ { test = $3 }
		/^ +[A-Za-z0-9_]+\.go:[0-9]+: / { line = $0; sub(/^ *[^ ]* (SKIPPED[^:]*: )?/, "", line); why[test] = line }
		/--- SKIP: / { print "SKIPPED: " $3 ": " why[$3] }' "$log"
}

step "formatting and vet"
unformatted=$(gofmt -l $(git ls-files '*.go'))
if [ -n "$unformatted" ]; then echo "gofmt would change:"; echo "$unformatted"; failed=1; fi
"$GO" vet ./... || failed=1

step "tests"
gotest all ''

step "race detector"
if command -v "${CC:-cc}" >/dev/null 2>&1; then
	echo "-short leaves out what takes long and has run above"
	CGO_ENABLED=1 gotest race '-race -short'
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
	(cd web && npm test --silent) || failed=1
	e2e() { (cd web && CHROMIUM="$chromium" MILLRACE_BIN="$PWD/../bin/millrace" npm run --silent e2e); }
	if ! e2e; then
		if [ -n "${CI:-}" ] && e2e; then
			echo "FLAKY: a browser test failed, and passed when all ran once more" >>build/said.log
		else
			failed=1
			echo "FAILED (browser)" >>build/said.log
		fi
	fi
fi

cat build/said.log
if [ "$failed" -ne 0 ]; then echo; echo "FAILED"; exit 1; fi
echo; echo "ok"
