//go:build tools

// Package main names Helm's command, so that go.mod keeps what it requires. The command itself is built:
// helm.sh/helm/v3/cmd/helm.
package main

import _ "helm.sh/helm/v3/cmd/helm"
