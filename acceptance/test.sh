#!/bin/sh
# All tests, as `make test` runs them. What cannot run here is said on a line of its own that begins with SKIPPED, and why.
set -u
GO=${GO:-go}
failed=0

step() { printf '\n== %s\n' "$1"; }

step "formatting and vet"
unformatted=$(gofmt -l $(git ls-files '*.go'))
if [ -n "$unformatted" ]; then echo "gofmt would change:"; echo "$unformatted"; failed=1; fi
"$GO" vet ./... || failed=1

step "tests"
"$GO" test ./... || failed=1

step "race detector"
if command -v "${CC:-cc}" >/dev/null 2>&1; then
	# -short leaves out long arithmetic, which runs above without it: the detector slows it down tenfold.
	CGO_ENABLED=1 "$GO" test -race -short ./... || failed=1
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
