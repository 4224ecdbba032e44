#!/usr/bin/env bash
# Builds kube-apiserver, etcd, kubectl and kube-controller-manager from their published Go modules into a folder, each only when it
# is missing or when the modules, the flags or the Go version changed. Usage: hack/controlplane/build.sh [folder] (default
# bin/controlplane). With KUBEBUILDER_ASSETS set it builds nothing and only looks whether that folder holds them.
set -euo pipefail

if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
  for name in kube-apiserver etcd kubectl; do
    [[ -x $KUBEBUILDER_ASSETS/$name ]] && continue
    echo "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS holds no $name: put it there, or unset the variable to have one built" >&2
    exit 1
  done
  # envtest's own download lacks it, and all but a few tests do without.
  if [[ ! -x $KUBEBUILDER_ASSETS/kube-controller-manager ]]; then
    echo "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS holds no kube-controller-manager: the tests that need it will fail" >&2
  fi
  exit 0
fi

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "${1:-$here/../../bin/controlplane}"
out=$(cd "${1:-$here/../../bin/controlplane}" && pwd)
cd "$here"
export CGO_ENABLED=0

version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
major=$(cut -d. -f1 <<<"${version#v}")
minor=$(cut -d. -f2 <<<"${version#v}")
# Without these a server calls itself v0.0.0-master+$Format:%H$, which kubectl and Helm refuse.
ldflags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  ldflags+=" -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
  ldflags+=" -X $package.gitCommit=published-module -X $package.gitTreeState=clean"
done

# The compiler runs in a process group of its own (set -m), which ends with this script however that ends: a ctrl-C would
# otherwise leave it behind, as the shell makes background commands deaf to it.
set -m
compiler=
partial=
cleanup() {
  if [[ -n $compiler ]]; then kill -TERM -- "-$compiler" 2>/dev/null || true; fi
  if [[ -n $partial ]]; then rm -f "$partial"; fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# build NAME PACKAGE compiles one binary beside its final place, so that a broken build never looks like a finished one, and
# says every ten seconds that it is still at work.
build() {
  local name=$1 package=$2 stamp started=$SECONDS announced=0
  stamp=$({ cat go.mod go.sum; go version; echo "$ldflags $package"; } | git hash-object --stdin)
  if [[ -x $out/$name && $(cat "$out/.$name.stamp" 2>/dev/null) == "$stamp" ]]; then return 0; fi
  echo "building $name from its Go module (once; takes minutes on two cores)"
  partial=$out/$name.partial.$$
  go build -buildvcs=false -trimpath -ldflags "$ldflags" -o "$partial" "$package" &
  compiler=$!
  while kill -0 "$compiler" 2>/dev/null; do
    if ((SECONDS - started >= announced + 10)); then
      announced=$((SECONDS - started))
      echo "  $name: still building after $announced s"
    fi
    sleep 1
  done
  if ! wait "$compiler"; then
    compiler=
    echo "building $name failed: see the compiler's message above" >&2
    exit 1
  fi
  compiler=
  mv "$partial" "$out/$name"
  partial=
  echo "$stamp" >"$out/.$name.stamp"
  echo "built $name in $((SECONDS - started)) s"
}

build etcd go.etcd.io/etcd/server/v3
build kubectl k8s.io/kubernetes/cmd/kubectl
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
build kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager
echo "control plane: Kubernetes $version in $out"
