//go:build !linux

package testenv

import "errors"

var errLinux = errors.New("only Linux has it")

func probeRoot() error   { return errLinux }
func probeNetns() error  { return errLinux }
func probeCgroup() error { return errLinux }
func probeSwap() error   { return errLinux }
