# Millrace. `make help` lists the targets.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
NODE    := $(shell command -v node 2>/dev/null)
BIN     := bin/millrace
LDFLAGS := -s -w -X main.version=$(VERSION)

.PHONY: help demo run build web test race e2e bench fuzz generate lint clean
help: ## what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: build ## the whole loop on real text: curate, train twice, evaluate, compare, reproduce
	$(BIN) demo --data build/demo $(DEMO)

run: build ## a node with everything embedded, data in build/data
	$(BIN) up --data build/data

build: ## the program, bin/millrace (with the pages where Node is found)
	@if [ -n "$(NODE)" ]; then $(MAKE) --no-print-directory web; else echo "no Node: building without the web pages; the program says how to add them"; fi
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/millrace

web: web/dist/index.html ## the web pages (Node 20.19 or newer)
web/dist/index.html: $(shell git ls-files web graph/schema 2>/dev/null | grep -v '^web/e2e/')
	cd web && npm ci --no-audit --no-fund --loglevel=error && npm run build
	@touch $@

test: build ## all tests; with the race detector where a C compiler is found, in a browser where Node and Chromium are
	GO="$(GO)" NODE="$(NODE)" sh acceptance/test.sh

bench: build ## the promised figures: a table, and build/bench.jsonl (GROUP=loop or trainer, PEER_LLMC=path/to/llmc; GROUP=curator, TEXT=file, SIZE=10GB)
	$(GO) run ./acceptance/bench -group "$(or $(GROUP),all)" -out build/bench.jsonl -bin $(BIN)

fuzz: ## every fuzz target for a short while (FUZZTIME=20s)
	GO="$(GO)" FUZZTIME="$(or $(FUZZTIME),20s)" sh acceptance/fuzz.sh

generate: ## everything that is generated: GraphQL, assembly, the AsyncAPI document, golden files
	$(GO) generate ./...
	$(GO) test ./event ./acceptance -run 'Golden|AsyncAPI' -update

lint: ## gofmt, vet and staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

clean: ## remove what was built
	rm -rf bin build web/dist/assets web/dist/index.html
