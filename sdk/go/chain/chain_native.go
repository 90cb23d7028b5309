//go:build !wasip1

package chain

import "github.com/shoal-run/shoal/sdk/go/internal/stand"

func start(name string, in []byte) (uint32, error) {
	w, err := stand.Worker()
	if err != nil {
		return 0, err
	}
	return w.Chain(name, in)
}

func await(id uint32) (int32, error) {
	code, _, err := awaitOutput(id)
	return code, err
}

func awaitOutput(id uint32) (int32, []byte, error) {
	w, err := stand.Worker()
	if err != nil {
		return 0, nil, err
	}
	return w.Await(id)
}
