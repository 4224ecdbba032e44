# `make` lists the targets. You need Go, git, make and curl; everything else is built from its Go module into bin/.

SHELL := /usr/bin/env bash -o pipefail
.SHELLFLAGS := -ec
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The one place where tools are pinned.
CONTROLLER_GEN_VERSION := v0.23.0
GOLANGCI_LINT_VERSION := v2.15.0

BIN := $(CURDIR)/bin
CONTROLLER_GEN := $(BIN)/controller-gen-$(CONTROLLER_GEN_VERSION)
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)
CONTROLPLANE := $(abspath $(or $(KUBEBUILDER_ASSETS),$(BIN)/controlplane))
KUBECTL ?= kubectl
IMG ?= integration-operator:latest

# Git refuses to describe a checkout that belongs to another user, and Go then refuses to build.
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)
# The race detector needs cgo and a C compiler, which a user may not have.
RACE := $(shell [ "$$(go env CGO_ENABLED)" = 1 ] && command -v gcc >/dev/null && echo -race)

GENERATED := config/crd/bases config/rbac/role.yaml $(wildcard api/*/zz_generated.deepcopy.go)

##@ Use

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' Makefile

.PHONY: quickstart
quickstart: controlplane build ## Start a control plane and the operator here, and get a verified token.
	@go build -o $(BIN)/quickstart ./hack/quickstart
	@$(BIN)/quickstart up

.PHONY: quickstart-down
quickstart-down: ## Stop what quickstart started and remove .quickstart.
	@go build -o $(BIN)/quickstart ./hack/quickstart
	@$(BIN)/quickstart down

.PHONY: run
run: ## Run the manager here against the current kubeconfig, on https://localhost:8443.
	go run ./cmd/manager --issuer-url=https://localhost:8443 --token-bind-address=127.0.0.1:8443 \
	  --metrics-bind-address=127.0.0.1:8080 --health-probe-bind-address=127.0.0.1:8081 \
	  --operator-namespace=integration-operator-system --shutdown-delay=0s

.PHONY: install
install: ## Install the CRDs into the current cluster.
	$(KUBECTL) apply --server-side -k config/crd
	$(KUBECTL) wait --for=condition=Established --timeout=60s -f config/crd/bases

.PHONY: deploy
deploy: install ## Deploy the operator into the current cluster.
	$(KUBECTL) apply --server-side -k config/default

.PHONY: docker-build
docker-build: ## Build the container image IMG (needs docker).
	docker build -t $(IMG) .

##@ Develop

.PHONY: build
build: ## Build bin/manager.
	go build -trimpath -o $(BIN)/manager ./cmd/manager

.PHONY: test
test: controlplane ## Run every test against the embedded control plane; ARGS goes to go test.
	KUBEBUILDER_ASSETS=$(CONTROLPLANE) go test -p 2 -timeout 30m $(RACE) $(ARGS) ./...

.PHONY: fuzz
fuzz: ## Run each fuzzer for FUZZTIME (10s), beyond the corpus that make test runs.
	@hack/fuzz/run.sh $(or $(FUZZTIME),10s)

.PHONY: bench
bench: controlplane build ## Measure the token server beside a bare handler, and refreshes on a control plane.
	go run ./tokenserver/bench
	KUBEBUILDER_ASSETS=$(CONTROLPLANE) go run ./hack/bench -only refresh

.PHONY: bench-operator
bench-operator: controlplane build ## Measure the controllers beside a bare program that does the same writes, and 10,000 Integrations.
	KUBEBUILDER_ASSETS=$(CONTROLPLANE) go run ./hack/bench -only rate,memory

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run the linters.
	$(GOLANGCI_LINT) run ./...

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format the Go code.
	$(GOLANGCI_LINT) fmt ./...

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Generate the deepcopy functions.
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate/boilerplate.go.txt paths=./api/...

.PHONY: manifests
manifests: $(CONTROLLER_GEN) ## Generate the CRDs and the manager's RBAC from their markers.
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=manager-role paths=./controllers/... paths=./cmd/... paths=./tokenserver/... output:rbac:dir=config/rbac

.PHONY: verify
verify: generate manifests controlplane ## Check that everything generated is up to date and committed.
	go mod tidy -diff
	cd hack/controlplane && go mod tidy -diff
	$(CONTROLPLANE)/kubectl kustomize config/default >/dev/null
	git diff --exit-code -- $(GENERATED)
	@new=$$(git ls-files --others --exclude-standard -- $(GENERATED)); \
	  if [ -n "$$new" ]; then echo "generated, but not committed: $$new" >&2; exit 1; fi

.PHONY: clean
clean: ## Stop the quickstart and remove everything built.
	@if [ -d .quickstart ]; then $(MAKE) --no-print-directory quickstart-down; fi
	rm -rf $(BIN)

##@ Tools

.PHONY: controlplane
controlplane: ## Build kube-apiserver, etcd, kubectl and kube-controller-manager (7 minutes on two cores, once).
	@hack/controlplane/build.sh $(BIN)/controlplane

# install-tool,NAME,PACKAGE@VERSION builds a tool into a file that names its version, and links the plain name to it.
define install-tool
	@echo "building $1 (once)"
	@GOBIN=$(BIN)/.install go install $2
	@mv $(BIN)/.install/$1 $@
	@ln -sf $(notdir $@) $(BIN)/$1
endef

$(CONTROLLER_GEN):
	$(call install-tool,controller-gen,sigs.k8s.io/controller-tools/cmd/controller-gen@$(CONTROLLER_GEN_VERSION))

$(GOLANGCI_LINT):
	$(call install-tool,golangci-lint,github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION))
