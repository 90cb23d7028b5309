package bus

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
)

// built has the result of every builder, by its name, with the subject of the table that it is.
var built = map[string]struct{ is, of string }{
	"CallSubject":           {CallSubject(echo), "shoal.v1.call.<tenant>.<function>"},
	"CallWildcard":          {CallWildcard(), "shoal.v1.call.<tenant>.<function>"},
	"PlanSubject":           {PlanSubject(), "shoalint.v1.plan"},
	"WorkerCallSubject":     {WorkerCallSubject(worker), "shoalint.v1.worker.<id>.call"},
	"WorkerControlSubject":  {WorkerControlSubject(worker), "shoalint.v1.worker.<id>.control"},
	"WorkerQuerySubject":    {WorkerQuerySubject(), "shoalint.v1.worker.query"},
	"WorkerEventSubject":    {WorkerEventSubject(worker), "shoalint.v1.event.worker.<id>"},
	"WorkerEventWildcard":   {WorkerEventWildcard(), "shoalint.v1.event.worker.<id>"},
	"FunctionEventSubject":  {FunctionEventSubject(echo), "shoalint.v1.event.function.<tenant>.<function>"},
	"FunctionEventWildcard": {FunctionEventWildcard(), "shoalint.v1.event.function.<tenant>.<function>"},
	"RouteEventSubject":     {RouteEventSubject(), "shoalint.v1.event.route"},
	"UploadSubject":         {UploadSubject(), "shoalint.v1.upload"},
	"UploadCancelSubject":   {UploadCancelSubject(), "shoalint.v1.upload.cancel"},
	"LogSubject":            {LogSubject(echo), "shoalint.v1.log.<tenant>.<function>"},
	"LogWildcard":           {LogWildcard(), "shoalint.v1.log.<tenant>.<function>"},
}

// matches reports whether a NATS pattern matches a subject.
func matches(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, token := range p {
		if token == ">" {
			return i < len(s)
		}
		if i >= len(s) || token != "*" && token != s[i] {
			return false
		}
	}
	return len(p) == len(s)
}

func TestBuildersMatchTheTable(t *testing.T) {
	fill := strings.NewReplacer("<tenant>", echo.Tenant, "<function>", echo.Function, "<id>", string(worker))
	rows := map[string]string{} // filled subject by its pattern
	for _, r := range Subjects() {
		if rows[r.Subject] != "" || r.From == "" || r.To == "" || r.Payload == "" || r.What == "" {
			t.Errorf("row %+v is twice there, or not whole", r)
		}
		rows[r.Subject] = fill.Replace(r.Subject)
	}
	used := map[string]bool{}
	for name, b := range built {
		used[b.of] = true
		switch {
		case rows[b.of] == "":
			t.Errorf("%s is of %s, which is not in the table", name, b.of)
		case strings.HasSuffix(name, "Wildcard"):
			for of, subject := range rows {
				if got := matches(b.is, subject); got != (of == b.of) {
					t.Errorf("%s: %s matches %s: %v", name, b.is, subject, got)
				}
			}
		case b.is != rows[b.of]:
			t.Errorf("%s built %s, want %s", name, b.is, rows[b.of])
		}
	}
	for of := range rows {
		if !used[of] {
			t.Errorf("nothing builds %s", of)
		}
	}
}

// TestEveryBuilderIsInTheTest reads subject.go, so that a new builder can't be left out of the tests above, and wants
// the subject in each builder's doc comment.
func TestEveryBuilderIsInTheTest(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "subject.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || !fn.Name.IsExported() || strings.HasPrefix(fn.Name.Name, "Parse") {
			continue
		}
		name := fn.Name.Name
		b, ok := built[name]
		if !ok {
			t.Errorf("%s is in no test", name)
			continue
		}
		want := b.of
		if strings.HasSuffix(name, "Wildcard") {
			want = b.is
		}
		if !strings.Contains(fn.Doc.Text(), "\n\t"+want+"\n") {
			t.Errorf("the doc comment of %s lacks its subject, %s", name, want)
		}
	}
}

func TestSubjectsInPairs(t *testing.T) {
	for name, c := range map[string]struct {
		build func(faas.Name) string
		parse func(string) (faas.Name, error)
	}{
		"call":     {CallSubject, ParseCallSubject},
		"function": {FunctionEventSubject, ParseFunctionEventSubject},
		"log":      {LogSubject, ParseLogSubject},
	} {
		subject := c.build(echo)
		if got, err := c.parse(subject); err != nil || got != echo {
			t.Errorf("%s: %s parses as %v, %v", name, subject, got, err)
		}
		for _, bad := range []string{"", subject + ".more", subject[:len(subject)-5], strings.ToUpper(subject), "x" + subject, subject + "*"} {
			if _, err := c.parse(bad); faas.CodeOf(err) != faas.BadRequest {
				t.Errorf("%s: %q: %v", name, bad, err)
			}
		}
	}
	if got, err := ParseWorkerEventSubject(WorkerEventSubject(worker)); err != nil || got != worker {
		t.Errorf("worker: %v, %v", got, err)
	}
	for _, bad := range []string{"", "shoalint.v1.event.worker.", "shoalint.v1.event.worker.alpha", WorkerCallSubject(worker)} {
		if _, err := ParseWorkerEventSubject(bad); faas.CodeOf(err) != faas.BadRequest {
			t.Errorf("worker: %q: %v", bad, err)
		}
	}
}

func FuzzParseCallSubject(f *testing.F) {
	f.Add(CallSubject(echo))
	f.Add("shoal.v1.call.a.b.c")
	f.Add("shoal.v1.call..")
	f.Add("shoal.v1.call.>")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseCallSubject(s)
		if err != nil {
			checkRefusal(t, err)
		} else if CallSubject(n) != s || !matches(CallWildcard(), s) {
			t.Errorf("%q is of %v", s, n)
		}
	})
}

func FuzzParseWorkerEventSubject(f *testing.F) {
	f.Add(WorkerEventSubject(worker))
	f.Add("shoalint.v1.event.worker.a.b-0191e7c2a1b2")
	f.Add("shoalint.v1.event.worker.*")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseWorkerEventSubject(s)
		if err != nil {
			checkRefusal(t, err)
		} else if WorkerEventSubject(id) != s || !matches(WorkerEventWildcard(), s) {
			t.Errorf("%q is of %v", s, id)
		}
	})
}

// checkRefusal wants a bad_request that is no longer than a person reads, whatever was sent.
func checkRefusal(t *testing.T, err error) {
	t.Helper()
	if faas.CodeOf(err) != faas.BadRequest || len(err.Error()) > 1024 {
		t.Errorf("error %v", err)
	}
}
