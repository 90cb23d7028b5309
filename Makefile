# Every command of this repository. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

GO ?= go

# make run: where it listens and keeps its data.
HTTP ?= 127.0.0.1:8080
NATS ?= 127.0.0.1:4222
DATA ?= ./data

# make test: flags for go test, such as TESTFLAGS='-run Echo -v'. RACE= turns the race detector off.
TESTFLAGS ?=
RACE ?= -race

# make bench: only the figures whose key begins so, such as ONLY=engine.
ONLY ?=

# The modules of go.work by their packages, and with internal/tools, which stays outside, by their directories.
PACKAGES := ./... ./sdk/go/... ./examples/...
MODULES := . sdk/go examples internal/tools

# What runs anywhere: no cgo, no engine. The client on other systems too.
CLIENT := ./bus ./bus/faas ./cmd/shoal
LIGHT := $(CLIENT) ./services/gateway/... ./services/planner/...

# No version control stamp: git refuses a checkout that belongs to somebody else, and the build must not. The version is
# what git can say, or `devel`.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
BUILD := $(GO) build -buildvcs=false -trimpath -ldflags '-X github.com/shoal-run/shoal/libs/service.version=$(VERSION)'

# Linters at the versions of internal/tools/go.mod, built once.
TOOLS := bin/tools

##@ Use

.PHONY: run
run: build examples ## start everything in one process, with the examples deployed (HTTP=, NATS=, DATA=)
	@exec bin/shoal up --http '$(HTTP)' --nats '$(NATS)' --data '$(DATA)' --deploy-dir bin/examples --deploy-tenant demo

.PHONY: build
build: toolchain ## build bin/shoal
	@echo "building bin/shoal (the first build takes a minute or two)"
	@$(BUILD) -o bin/shoal ./cmd/shoal

.PHONY: services
services: toolchain ## build gateway, planner, worker and upload as processes of their own, to bin/
	@for s in gateway planner worker upload; do echo "building bin/$$s"; $(BUILD) -o bin/$$s ./services/$$s/cmd/$$s; done

.PHONY: examples
examples: toolchain ## build the examples to bin/examples/NAME.wasm
	@$(GO) run ./internal/examples/cmd/build-examples -o bin/examples

.PHONY: sdk
sdk: ## build the C SDK's static library, to sdk/c/lib
	@$(MAKE) -C sdk/c

##@ Develop

.PHONY: test
test: toolchain ## run every test with the race detector, after installing what they need on Debian as root (TESTFLAGS=)
	@scripts/deps --try
	$(GO) test $(RACE) -timeout 15m $(TESTFLAGS) $(PACKAGES)

.PHONY: check
check: toolchain ## formatting, linters, modules, builds without cgo, generated files
	@$(MAKE) -k check-format check-vet check-lint check-modules check-light check-generated

.PHONY: check-format
check-format: $(TOOLS)/.built
	@echo "check: format (gofumpt)"
	@out=$$($(TOOLS)/gofumpt -l .); [[ -z $$out ]] || { printf 'not formatted (make format):\n%s\n' "$$out" >&2; exit 1; }

.PHONY: check-vet
check-vet:
	@echo "check: go vet, here and for guests"
	@$(GO) vet $(PACKAGES)
	@GOOS=wasip1 GOARCH=wasm $(GO) vet ./sdk/go/... ./examples/...

.PHONY: check-lint
check-lint: $(TOOLS)/.built
	@echo "check: staticcheck, errorlint, unparam"
	@$(TOOLS)/staticcheck $(PACKAGES)
	@$(TOOLS)/go-errorlint $(PACKAGES)
	@$(TOOLS)/unparam $(PACKAGES)

.PHONY: check-modules
check-modules:
	@echo "check: go.mod and go.sum of $(MODULES)"
	@for m in $(MODULES); do (cd $$m && GOWORK=off $(GO) mod tidy -diff) || { echo "$$m: run go mod tidy there" >&2; exit 1; }; done

.PHONY: check-light
check-light:
	@echo "check: builds without cgo, and the client on other systems"
	@CGO_ENABLED=0 $(BUILD) -o /dev/null $(LIGHT)
	@for os in darwin windows; do CGO_ENABLED=0 GOOS=$$os $(BUILD) -o /dev/null $(CLIENT); done

.PHONY: check-generated
check-generated:
	@echo "check: generated files"
	@scripts/generated

.PHONY: format
format: $(TOOLS)/.built ## format every Go file
	@$(TOOLS)/gofumpt -w .

.PHONY: generate
generate: toolchain ## write the generated documents and sources anew
	@$(GO) generate $(PACKAGES)

.PHONY: bench
bench: toolchain examples ## measure, beside baselines, to bench/latest.md and .json (ONLY=engine)
	@$(GO) run ./integration/bench $(if $(ONLY),-only '$(ONLY)')

.PHONY: deps
deps: ## install what the tests need beyond Go, gcc and make (Debian, root)
	@scripts/deps

.PHONY: clean
clean: ## remove bin/ (data/ stays)
	@rm -rf bin

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: toolchain
toolchain:
	@scripts/toolchain

$(TOOLS)/.built: internal/tools/go.mod internal/tools/go.sum
	@echo "building the linters (once)"
	@mkdir -p $(TOOLS)
	@cd internal/tools && GOWORK=off $(GO) build -buildvcs=false -o ../../$(TOOLS)/ tool
	@touch $@
