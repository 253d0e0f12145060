//go:build tools

// Package tools names the program that this module builds, so that "go mod tidy" keeps it.
package tools

import _ "github.com/jaegertracing/jaeger/cmd/jaeger"
