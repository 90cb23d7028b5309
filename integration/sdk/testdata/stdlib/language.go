package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

type shape interface{ area() float64 }

type square struct{ side float64 }

func (s square) area() float64 { return s.side * s.side }

func sum[T cmp.Ordered](values ...T) (total T) {
	for _, v := range values {
		total += v
	}
	return total
}

func languagePart(out *bytes.Buffer) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	counts := map[int]int{}
	work := make(chan int)
	for range 8 {
		wg.Go(func() {
			for n := range work {
				mu.Lock()
				counts[n%10]++
				mu.Unlock()
				runtime.Gosched()
			}
		})
	}
	for i := range 1000 {
		work <- i
	}
	close(work)
	wg.Wait()
	fmt.Fprintln(out, counts, slices.Sorted(maps.Keys(counts)))

	ctx, cancel := context.WithTimeoutCause(context.Background(), 5*time.Millisecond, errors.New("too slow"))
	defer cancel()
	select {
	case <-ctx.Done():
		fmt.Fprintln(out, ctx.Err(), context.Cause(ctx))
	case <-time.After(10 * time.Second):
		fmt.Fprintln(out, "the timer was first")
	}
	func() {
		defer func() { fmt.Fprintln(out, "recovered:", recover()) }()
		var s []int
		_ = s[len(counts)]
	}()
	func() {
		defer func() { fmt.Fprintln(out, "recovered:", recover()) }()
		var s shape
		s.area()
	}()
	fmt.Fprintln(out, sum(1, 2, 3), sum("a", "b"), sum(1.5, 2), shape(square{3}).area(), reflect.TypeOf(square{}).Field(0))
	wrapped := fmt.Errorf("outer: %w", errors.Join(fs.ErrNotExist, context.Canceled))
	fmt.Fprintln(out, errors.Is(wrapped, fs.ErrNotExist), wrapped)
	data := make([][]byte, 0, 64)
	for i := range 64 { // work for the collector
		data = append(data, bytes.Repeat([]byte{byte(i)}, 1<<16))
		if i%8 == 7 {
			data = data[:0]
			runtime.GC()
		}
	}
	fmt.Fprintln(out, strings.Repeat("=", 3), len(data), cap(data))
	return nil
}

// filesPart works in the current directory.
func filesPart(out *bytes.Buffer) error {
	if err := os.MkdirAll("work/deep", 0o755); err != nil {
		return err
	}
	defer os.RemoveAll("work")
	for name, text := range map[string]string{"b.txt": "bee", "a.txt": "ay", "deep/c.txt": "sea"} {
		if err := os.WriteFile(filepath.Join("work", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	f, err := os.OpenFile("work/a.txt", os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	if _, err := f.WriteString("-appended"); err != nil {
		return err
	}
	part := make([]byte, 4)
	n, err := f.ReadAt(part, 3)
	fmt.Fprintln(out, n, err, string(part))
	if err := f.Truncate(5); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	fmt.Fprintln(out, info.Name(), info.Size(), info.IsDir(), f.Close())
	if err := os.Rename("work/b.txt", "work/deep/d.txt"); err != nil {
		return err
	}
	err = fs.WalkDir(os.DirFS("work"), ".", func(path string, d fs.DirEntry, err error) error {
		fmt.Fprintln(out, path, d.IsDir(), err)
		return err
	})
	if err != nil {
		return err
	}
	_, missing := os.Open("work/absent")
	_, again := os.OpenFile("work/a.txt", os.O_CREATE|os.O_EXCL, 0o600)
	fmt.Fprintln(out, errors.Is(missing, fs.ErrNotExist), errors.Is(again, fs.ErrExist), os.Remove("work") != nil, os.Remove("work/a.txt"))
	data, err := os.ReadFile("work/deep/d.txt")
	fmt.Fprintln(out, string(data), err)
	return nil
}
