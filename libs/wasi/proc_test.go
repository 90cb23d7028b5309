package wasi

import (
	"errors"
	"testing"
)

func TestProcExit(t *testing.T) {
	for _, code := range []uint32{0, 1, 255, 0xffffffff} {
		var exit Exit
		if err := (&System{}).ProcExit(code); !errors.As(err, &exit) || exit.Code != code {
			t.Errorf("ProcExit(%d) = %v", code, err)
		}
	}
	if got := (Exit{Code: 3}).Error(); got != "exit 3" {
		t.Errorf("%q, want exit 3", got)
	}
}

func TestProcRaise(t *testing.T) {
	for sig := range uint32(34) {
		errno, err := (&System{}).ProcRaise(sig)
		var exit Exit
		ended := errors.As(err, &exit)
		switch sig {
		case 0, 13, 16, 17, 22, 27:
			if errno != ESUCCESS || ended {
				t.Errorf("signal %d: %v, %v; want no effect", sig, errno, err)
			}
		case 18, 19, 20, 21:
			if errno != ENOTSUP || ended {
				t.Errorf("signal %d: %v, %v; want ENOTSUP", sig, errno, err)
			}
		case 31, 32, 33:
			if errno != EINVAL || ended {
				t.Errorf("signal %d: %v, %v; want EINVAL", sig, errno, err)
			}
		default:
			if exit.Code != 128+sig {
				t.Errorf("signal %d: %v, want exit %d", sig, err, 128+sig)
			}
		}
	}
}

func TestSchedYield(t *testing.T) {
	if errno := (&System{}).SchedYield(); errno != ESUCCESS {
		t.Error(errno)
	}
}

func TestErrnoString(t *testing.T) {
	for errno, want := range map[Errno]string{0: "ESUCCESS", 8: "EBADF", 28: "EINVAL", 52: "ENOSYS", 70: "ESPIPE", 76: "ENOTCAPABLE", 77: "errno 77"} {
		if got := errno.String(); got != want {
			t.Errorf("errno %d is %q, want %q", uint16(errno), got, want)
		}
	}
}
