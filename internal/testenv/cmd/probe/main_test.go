package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/internal/testenv"
)

func TestReport(t *testing.T) {
	var list, people strings.Builder
	report(&list, &people, map[testenv.Requirement]error{testenv.Redis: errors.New("redis-server is not installed")})
	if got, want := list.String(), "go-wasm,clang,rust,cmake,npm,root,netns,cgroup,swap\n"; got != want {
		t.Errorf("stdout %q, want %q", got, want)
	}
	want := "left out: tests that run against a Redis server: redis-server is not installed (make deps)\n"
	if got := people.String(); got != want {
		t.Errorf("stderr %q, want %q", got, want)
	}
}
