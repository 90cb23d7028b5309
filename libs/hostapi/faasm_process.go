package hostapi

import (
	"errors"

	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/wasi"
)

// Who a guest is, as Faasm has it.
const (
	guestID     = 1000 // user and group
	guestPID    = 23
	guestTID    = 66
	guestParent = 1
)

// errAborted is the trap of abort.
var errAborted = errors.New("the guest called abort")

// faasmProcess returns the rows for what a process has in POSIX and a Faaslet has not, or not of its own: fixed answers, as
// Faasm gives them, for libraries that ask on their way.
func faasmProcess() []Row {
	none := func(name string, params []Param, v uint32, why, doc string) Row {
		return Row{
			Module: env, Name: name, Group: groupProcess, Params: params, Results: word, Support: Ignored,
			Limitation: why, Doc: doc, Func: answers(v),
		}
	}
	id := func(name string, v uint32, doc string) Row {
		return none(name, nil, v, "a fixed answer: there are no users and processes in a Faaslet", doc)
	}
	return []Row{
		id("getuid", guestID, "Return 1000."),
		id("geteuid", guestID, "Return 1000."),
		id("getgid", guestID, "Return 1000."),
		id("getegid", guestID, "Return 1000."),
		id("getpid", guestPID, "Return 23."),
		id("getppid", guestParent, "Return 1."),
		id("gettid", guestTID, "Return 66."),
		none("getgrgid", words("gid"), 0, "there is no group database", "Return NULL."),
		none("getgrnam", words("name"), 0, "there is no group database", "Return NULL."),
		none("getgrent", nil, 0, "there is no group database", "Return NULL."),
		{
			Module: env, Name: "setgrent", Group: groupProcess, Support: Ignored,
			Limitation: "there is no group database", Doc: "Do nothing.", Func: answers(0),
		},
		{
			Module: env, Name: "endgrent", Group: groupProcess, Support: Ignored,
			Limitation: "there is no group database", Doc: "Do nothing.", Func: answers(0),
		},
		none("umask", words("mask"), 0o22, "files have no modes", "Return 022."),
		none("signal", words("signum", "handler"), 0, "no signal ever comes", "Return SIG_DFL."),
		none("waitpid", words("pid", "status", "options"), failed, "a Faaslet has no child processes; Faasm answers pid", "Return -1."),
		none("ioctl", words("fd", "request", "argp"), failed, "nothing here has controls; Faasm answers 0 and writes nothing", "Return -1."),
		{
			Module: env, Name: "exit", Group: groupProcess, Params: words("code"), Support: Partial,
			Limitation: "the guest's atexit functions do not run: libc's own exit calls `proc_exit` after them",
			Doc:        "End the guest; 0 is success.", Func: exit,
		},
		{
			Module: env, Name: "_Exit", Group: groupProcess, Params: words("code"), Support: Full,
			Doc: "End the guest at once; 0 is success.", Func: exit,
		},
		{
			Module: env, Name: "abort", Group: groupProcess, Support: Full,
			Doc: "End the guest with a trap; in Faasm the call succeeds.",
			Func: func(*Call, guest.Memory, Args) (uint64, error) {
				return 0, errAborted
			},
		},
	}
}

func exit(_ *Call, _ guest.Memory, a Args) (uint64, error) {
	return 0, wasi.Exit{Code: a.U32(0)}
}
