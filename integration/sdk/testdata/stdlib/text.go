package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"text/template"
	"time"
	"unicode"
)

const page = `{{define "row"}}{{.Name | printf "%-8s"}}|{{range $i, $n := .Counts}}{{if $i}}, {{end}}{{$n}}{{else}}none{{end}}
{{end}}{{range .}}{{template "row" .}}{{end}}{{len .}} {{index . 0 | html | printf "%.12s"}} {{and true (lt 1 2)}}
`

type row struct {
	Name   string
	Counts []int
}

func textPart(out *bytes.Buffer) error {
	t, err := template.New("page").Parse(page)
	if err != nil {
		return err
	}
	if err := t.Execute(out, []row{{"<one>", []int{1, 2, 3}}, {"zwei", nil}}); err != nil {
		return err
	}
	fmt.Fprintln(out, template.Must(template.New("x").Parse("{{.Nothing}}")).Execute(out, row{}))

	re := regexp.MustCompile(`(?i)(\p{L}+)@(?P<host>[a-z]+\.(?:org|com))`)
	const text = "Ada@Example.org, grüße@wasm.com; nobody@nowhere.xyz"
	fmt.Fprintln(out, re.FindAllStringSubmatchIndex(text, -1), re.SubexpNames())
	fmt.Fprintln(out, re.ReplaceAllString(text, "${host}<-$1"), regexp.MustCompile(`\s*[,;]\s*`).Split(text, -1))
	_, err = regexp.Compile(`(unclosed`)
	fmt.Fprintln(out, err)

	fmt.Fprintf(out, "%v %+v %#v %T %q %x %08.3f %+d %e %g %t %c %U %6.2f|%-6s|%6s\n", row{"a", []int{1}}, row{"a", nil}, row{"a", []int{1}},
		row{}, "q\n\xff", "hex", 3.14159, 7, 12345.678, 1e-9, true, 'ß', '⌘', 2.345, "l", "r")
	for _, s := range []string{"1e400", "0x1p-3", "-9223372036854775809", "12_3"} {
		f, err := strconv.ParseFloat(s, 64)
		n, err2 := strconv.ParseInt(s, 0, 64)
		fmt.Fprintln(out, f, err, n, err2)
	}
	fmt.Fprintln(out, strings.ToUpper("straße ǆ ﬁ"), strings.EqualFold("Σ", "ς"), strings.Fields(" a\u00a0b  c "), unicode.IsUpper('Ж'))
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "a\tbbb\tc\t\n1\t2\t33333\t")
	return w.Flush()
}

func timePart(out *bytes.Buffer) error {
	zone := time.FixedZone("XYZ", -(3*3600 + 30*60))
	for _, t := range []time.Time{
		{}, time.Unix(0, 0).UTC(), time.Date(2024, 2, 29, 23, 59, 59, 123456789, zone), time.Unix(1<<33, 5).In(zone),
	} {
		for _, layout := range []string{time.RFC3339Nano, time.RFC1123Z, time.Kitchen, time.ANSIC, "Mon 2 Jan '06 15h04 .000000 MST"} {
			fmt.Fprintln(out, t.Format(layout))
		}
		year, week := t.ISOWeek()
		fmt.Fprintln(out, t, t.YearDay(), year, week, t.Weekday(), t.AddDate(0, 1, 1), t.Truncate(time.Hour), t.Unix())
	}
	for _, text := range []string{"2024-02-30T00:00:00Z", "2024-06-01T12:00:00+02:00", "yesterday"} {
		t, err := time.Parse(time.RFC3339, text)
		fmt.Fprintln(out, t.UTC(), err)
	}
	for _, text := range []string{"1h15m30.918273645s", "-2us", "3 days"} {
		d, err := time.ParseDuration(text)
		fmt.Fprintln(out, d, d.Round(time.Second), err)
	}
	return nil
}
